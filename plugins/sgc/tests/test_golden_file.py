"""A file that was made once decodes to the same maps here, and to a picture of them.

    python plugins/sgc/tests/test_golden_file.py

makes the file and its digest anew, which only new weights justify.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import codectk
from codectk.picture.read import read_picture
from codectk.testing.golden import GoldenFile, latents_digest
from codectk_sgc.colors.reduce import color_map

pytestmark = pytest.mark.portable

GOLDEN = GoldenFile(Path(__file__).parent / "golden" / "photo-768x512.ctk")
PHOTO = Path(__file__).parents[3] / "examples" / "photo.png"


def test_the_golden_file_decodes_to_its_latents():
    assert latents_digest(GOLDEN.data) == GOLDEN.digest


def test_the_golden_file_is_small_and_says_what_is_in_it():
    assert len(GOLDEN.data) < 685, "the paper's size for a picture of two thirds of the pixels"
    info = codectk.info(GOLDEN.data)
    assert (info.codec, info.width, info.height, info.portable) == ("sgc", 768, 512, True)
    assert sum(codectk.api.summary(GOLDEN.data)["labels"].values()) == 1


def test_the_golden_file_decodes_to_a_picture_in_its_colors():
    """Floats paint it, so nothing is said about single pixels."""
    pictures = read_picture(PHOTO).pixels, np.asarray(codectk.decode(GOLDEN.data, steps=2))
    wanted, found = (color_map(pixels.astype(np.float32) / 255) for pixels in pictures)
    assert wanted.shape == found.shape and np.abs(wanted - found).mean() < 0.1


if __name__ == "__main__":
    GOLDEN.write(codectk.encode(PHOTO, codec="sgc", seed=1))
