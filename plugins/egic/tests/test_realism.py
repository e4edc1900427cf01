"""The realism knob on real files of the shipped preset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codectk
from codectk.base.errors import UsageError
from codectk.cli import main
from codectk.metrics.psnr import psnr
from codectk.picture.read import read_picture

PHOTO = Path(__file__).parents[3] / "examples" / "photo.png"


@pytest.fixture(scope="module")
def photo() -> np.ndarray:
    return read_picture(PHOTO).pixels[100:356, 100:356]


@pytest.fixture(scope="module")
def file(photo: np.ndarray) -> bytes:
    return codectk.encode(photo, codec="egic", quality=40)


def test_psnr_falls_with_realism(photo: np.ndarray, file: bytes):
    steps = [psnr(photo, np.asarray(codectk.decode(file, realism=value))) for value in (0, 0.25, 0.5, 0.75, 1)]
    assert steps == sorted(steps, reverse=True) and steps[0] > steps[-1]


def test_advice_in_the_file_changes_the_picture_and_no_latents(photo: np.ndarray, file: bytes):
    advised = codectk.encode(photo, codec="egic", quality=40, realism=0.25)
    assert len(advised) - len(file) in (1, 2), "one knob in the header"
    decoded = np.asarray(codectk.decode(advised))
    assert np.array_equal(decoded, np.asarray(codectk.decode(file, realism=0.25)))
    assert not np.array_equal(decoded, np.asarray(codectk.decode(file)))
    assert np.array_equal(np.asarray(codectk.decode(advised, realism=1)), np.asarray(codectk.decode(file)))


def test_realism_is_a_number_from_0_to_1(file: bytes):
    with pytest.raises(UsageError, match="realism"):
        codectk.decode(file, realism=1.5)


def test_strip(tmp_path: Path, file: bytes):
    coded, painted, refused = tmp_path / "a.ctk", tmp_path / "a.png", tmp_path / "b.png"
    coded.write_bytes(file)
    assert main.run(["decode", str(coded), "-o", str(painted), "--realism-strip"]) == 0
    strip = np.asarray(Image.open(painted))
    assert strip.shape[1] == 5 * 256 + 4 * 8 and strip.shape[0] > 256
    for number, value in enumerate((0, 0.25, 0.5, 0.75, 1)):
        part = strip[:256, number * 264 : number * 264 + 256]
        assert np.array_equal(part, np.asarray(codectk.decode(file, realism=value)))
    assert main.run(["decode", str(coded), "-o", str(refused), "--realism-strip", "--realism", "0"]) == 2
    assert not refused.exists()
