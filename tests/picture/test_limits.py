"""Limits are compared with the header, before pixels are decoded."""

import io
import struct

import pytest

from codectk.base.errors import InputError
from codectk.base.limits import MAX_PIXELS, MAX_SIDE
from codectk.picture import opening
from codectk.picture.read import read_picture


def refusal(source):
    """The message of the InputError that reading must raise."""
    with pytest.raises(InputError) as caught:
        read_picture(source)
    return str(caught.value)


def bomb(make_png, width, height):
    return make_png(width, height, 8, 2, [b""])


def test_limits_come_before_decoding(make_png, monkeypatch):
    loads = []

    def stop(image):
        loads.append(image.size)
        raise OSError("stopped by the test")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", stop)
    for width, height in ((MAX_SIDE + 1, 1), (1, MAX_SIDE + 1), (MAX_SIDE, MAX_SIDE), (20_000, 10_001)):
        assert "limit" in refusal(bomb(make_png, width, height))
    assert not loads
    assert "stopped by the test" in refusal(bomb(make_png, 20_000, 10_000))
    assert loads == [(20_000, 10_000)]


def test_between_pillows_limit_and_ours(make_png):
    """A phone's 200-megapixel picture is over Pillow's own limit of 179; here only its missing pixels are wrong."""
    assert MAX_PIXELS > 16_320 * 12_240
    image = opening.open_image(io.BytesIO(bomb(make_png, 16_320, 12_240)), "x")
    assert opening.check_header(image, "x") == ()


def test_webp_over_pillows_limit_is_one_sentence():
    header = struct.pack("<I", 0x10) + (16_382).to_bytes(3, "little") * 2
    body = b"WEBPVP8X" + struct.pack("<I", 10) + header
    refusal(b"RIFF" + struct.pack("<I", len(body)) + body)
