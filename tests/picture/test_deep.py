"""Samples of 16 bits keep all of them, or a remark says what was lost."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from codectk.picture.convert import floats, to_uint8
from codectk.picture.read import read_picture

RNG = np.random.default_rng(3)
DEEP = RNG.integers(0, 65536, (7, 5, 4), dtype=np.uint16)


def _rows(samples):
    return [row.astype(">u2").tobytes() for row in samples.reshape(samples.shape[0], -1)]


@pytest.mark.parametrize(("color_type", "channels"), [(0, [0]), (2, [0, 1, 2]), (4, [0, 3]), (6, [0, 1, 2, 3])])
def test_png(make_png, color_type, channels):
    samples = DEEP[..., channels]
    picture = read_picture(make_png(5, 7, 16, color_type, _rows(samples)))
    colors = samples[..., : 3 if color_type & 2 else 1] / np.float32(65535)
    assert picture.deep.dtype == np.float32 and picture.grey == (color_type in (0, 4))
    np.testing.assert_array_equal(picture.deep, np.broadcast_to(colors, (7, 5, 3)))
    np.testing.assert_array_equal(picture.pixels, to_uint8(picture.deep))
    np.testing.assert_array_equal(floats(picture), picture.deep)
    if color_type & 4:
        np.testing.assert_array_equal(picture.alpha, np.rint(samples[..., -1] / 257))
        assert any("transparency" in note for note in picture.notes)
    else:
        assert picture.alpha is None and picture.notes == ()


def _tiff(samples, order, orientation=1):
    """One strip, without compression, written by hand, as Pillow writes no RGB of 16 bits."""
    height, width, channels = samples.shape
    data = samples.astype(f"{order}u2").tobytes()
    tags = [
        (256, 3, 1, width), (257, 3, 1, height), (258, 3, channels, 8 + len(data)), (259, 3, 1, 1),
        (262, 3, 1, 2 if channels > 1 else 1), (273, 4, 1, 8), (274, 3, 1, orientation), (277, 3, 1, channels),
        (278, 3, 1, height), (279, 4, 1, len(data)),
    ]  # fmt: skip
    body = data + struct.pack(f"{order}{channels}H", *[16] * channels)
    folder = struct.pack(f"{order}H", len(tags))
    for tag, kind, count, value in tags:
        if tag == 258 and channels == 1:
            value = 16
        small = kind == 3 and count == 1
        folder += struct.pack(f"{order}HHI", tag, kind, count)
        folder += struct.pack(f"{order}HH", value, 0) if small else struct.pack(f"{order}I", value)
    mark = b"II*\0" if order == "<" else b"MM\0*"
    return mark + struct.pack(f"{order}I", 8 + len(body)) + body + folder + bytes(4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiff(order, channels):
    samples = DEEP[..., :channels]
    picture = read_picture(_tiff(samples, order))
    np.testing.assert_array_equal(picture.deep, np.broadcast_to(samples / np.float32(65535), (7, 5, 3)))
    turned = read_picture(_tiff(samples, order, orientation=6))
    np.testing.assert_array_equal(turned.pixels, np.rot90(picture.pixels, -1))
    np.testing.assert_array_equal(turned.deep, np.rot90(picture.deep, -1))
    assert turned.notes == ("The orientation in the metadata was applied to the pixels.",)


def test_compressed_tiff_with_predictor():
    file = io.BytesIO()
    Image.fromarray(DEEP[..., 0]).save(file, "TIFF", compression="tiff_adobe_deflate")
    picture = read_picture(file.getvalue())
    np.testing.assert_array_equal(picture.deep[..., 1], DEEP[..., 0] / np.float32(65535))


def test_ppm():
    for most in (65535, 1023):
        samples = np.minimum(DEEP[..., :3], most)
        picture = read_picture(b"P6 5 7 %d\n" % most + samples.astype(">u2").tobytes())
        np.testing.assert_allclose(picture.deep, samples / np.float32(most), atol=1 / 65535)
        grey = read_picture(b"P5 5 7 %d\n" % most + samples[..., 0].astype(">u2").tobytes())
        np.testing.assert_allclose(grey.deep[..., 0], samples[..., 0] / np.float32(most), atol=1 / 65535)
    assert any("8 were read" in note for note in read_picture(b"P3 1 1 1023 900 1 2\n").notes)


def test_images_of_pillow(make_png):
    picture = read_picture(Image.fromarray(DEEP[..., 0]))
    np.testing.assert_array_equal(picture.deep[..., 2], DEEP[..., 0] / np.float32(65535))
    # Pillow keeps the file of an image to itself, and has read 8 bits of it.
    image = Image.open(io.BytesIO(make_png(5, 7, 16, 2, _rows(DEEP[..., :3]))))
    assert any("8 were read" in note for note in read_picture(image).notes)


def test_what_encodes_takes_all_bits(pocket, make_png):
    """Steps finer than 1/255 reach the transform."""
    from codectk.pipeline.encode import floats as used

    ramp = (np.arange(48 * 64) * 3 + 20000).astype(np.uint16).reshape(48, 64, 1).repeat(3, axis=2)
    picture = read_picture(make_png(64, 48, 16, 2, _rows(ramp)))
    assert len(np.unique(used(picture)[..., 0])) == 48 * 64 and len(np.unique(picture.pixels)) < 50


def test_a_profile_leaves_eight_bits_and_says_so(make_icc, make_png):
    import zlib

    icc = b"p3\0\0" + zlib.compress(make_icc("p3", "srgb"))
    data = make_png(5, 7, 16, 2, _rows(DEEP[..., :3]), [(b"iCCP", icc)])
    picture = read_picture(data)
    assert picture.deep is None and any("8 of 16 bits" in note for note in picture.notes)
    kept = read_picture(data, keep_icc=True)
    assert kept.deep is not None and kept.icc is not None
