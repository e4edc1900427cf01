"""`.ctk` files through Pillow."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

import codectk
import codectk.pil
from codectk.base.errors import BitstreamError, UsageError

RGB = np.random.default_rng(4).integers(0, 256, (48, 64, 3), dtype=np.uint8)


def test_open_and_save(pocket: object, tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.ctk", codec="pocket", quality=30)
    data = (tmp_path / "a.ctk").read_bytes()
    assert data == codectk.encode(RGB, "pocket", quality=30)
    with Image.open(tmp_path / "a.ctk") as image:
        assert (image.format, image.mode, image.size) == ("CTK", "RGB", (64, 48))
        assert image.info["codec"] == "pocket" and image.info["knobs"] == {"quality": 30}
        assert image.get_format_mimetype() == "image/x-ctk"
        expected = codectk.decode(data)
        np.testing.assert_array_equal(np.asarray(image), np.asarray(expected))
        image.load()
        assert image.resize((8, 8)).getpixel((0, 0)) == expected.resize((8, 8)).getpixel((0, 0))
    file = io.BytesIO()
    Image.open(io.BytesIO(data)).save(file, "CTK", codec="pocket")
    assert codectk.info(file.getvalue()).codec == "pocket"


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA"])
def test_modes(pocket: object, mode):
    image = Image.fromarray(np.dstack([RGB, RGB[..., 0]])).convert(mode)
    file = io.BytesIO()
    image.save(file, "CTK", codec="pocket")
    opened = Image.open(io.BytesIO(file.getvalue()))
    assert opened.mode == mode
    if "A" in mode:
        np.testing.assert_array_equal(np.asarray(opened)[..., -1], RGB[..., 0])
    assert opened.copy().mode == mode


def test_knobs_of_the_decoder(pocket: object):
    data = codectk.encode(RGB, "pocket")
    soft, sharp = (codectk.pil.decode(Image.open(io.BytesIO(data)), deblock=value) for value in (1, 0))
    np.testing.assert_array_equal(np.asarray(soft), np.asarray(codectk.decode(data, deblock=1)))
    assert not np.array_equal(np.asarray(soft), np.asarray(sharp))
    for image in (soft, Image.new("RGB", (1, 1))):
        with pytest.raises(UsageError):
            codectk.pil.decode(image)


def test_a_damaged_file_says_what_is_wrong(pocket: object):
    data = bytearray(codectk.encode(RGB, "pocket"))
    data[-6] ^= 1
    with pytest.raises(BitstreamError):
        Image.open(io.BytesIO(bytes(data)))
