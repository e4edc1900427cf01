"""A file that was made once decodes to the same latents here: the promise of a portable file, across machines.

    python plugins/egic/tests/test_golden.py

makes the file and its digest anew, which only new weights justify.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import codectk
from codectk.picture.read import read_picture
from codectk.testing.golden import GoldenFile, latents_digest

pytestmark = pytest.mark.portable

GOLDEN = GoldenFile(Path(__file__).parent / "golden" / "photo-192x128-q75.ctk")
PHOTO = Path(__file__).parents[3] / "examples" / "photo.png"


def source() -> np.ndarray:
    return read_picture(PHOTO).pixels[100:228, 100:292]


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_the_golden_file_decodes_to_its_latents(engine: str):
    assert latents_digest(GOLDEN.data, codectk.load("egic", engine=engine)) == GOLDEN.digest


@pytest.mark.parametrize("engine", ["torch", "onnx"])
def test_the_golden_file_decodes_to_its_picture(engine: str):
    decoded = np.asarray(codectk.decode(GOLDEN.data, engine=engine)).astype(float)
    assert np.mean((decoded - source()) ** 2) < 250, "about 24 dB or better"


if __name__ == "__main__":
    GOLDEN.write(codectk.encode(source(), codec="egic", quality=75.0))
