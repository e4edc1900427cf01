"""Every way to declare a color space is looked at: what can be converted is, and a remark says so or why not."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from codectk.picture.declared import ADOBE_RGB, SRGB
from codectk.picture.profile import color_space
from codectk.picture.read import read_picture

COLORS = np.random.default_rng(5).integers(40, 216, (6, 4, 3), dtype=np.uint8)
ROWS = [row.tobytes() for row in COLORS]

P3 = (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06)
BT2020 = (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046)


def _matrix(c):
    """RGB to XYZ from x and y of white, red, green and blue, as in any textbook."""
    (white, *primaries) = [(x / y, 1.0, (1 - x - y) / y) for x, y in zip(c[::2], c[1::2], strict=True)]
    m = np.array(primaries).T
    return m * np.linalg.solve(m, np.array(white))


def _encoded(linear):
    linear = np.clip(linear, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def _linear(x):
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def in_srgb(pixels, chromaticities, curve):
    """What pixels of a space with D65 as its white are in sRGB."""
    to_srgb = np.linalg.inv(_matrix(SRGB)) @ _matrix(chromaticities)
    return _encoded(curve(pixels / 255) @ to_srgb.T)


def chrm(c):
    return b"cHRM", struct.pack(">8I", *(round(value * 100000) for value in c))


def gama(value):
    return b"gAMA", struct.pack(">I", round(value * 100000))


def png(make_png, *extra):
    return make_png(4, 6, 8, 2, ROWS, extra)


@pytest.mark.parametrize(
    ("extra", "chromaticities", "curve"),
    [
        ([chrm(P3)], P3, _linear),
        ([gama(1 / 2.2), chrm(ADOBE_RGB)], ADOBE_RGB, lambda x: x**2.2),
        ([gama(1.0)], SRGB, lambda x: x),
        ([gama(1 / 1.8)], SRGB, lambda x: x**1.8),
        ([(b"cICP", bytes([12, 13, 0, 1]))], P3, _linear),
        ([(b"cICP", bytes([9, 8, 0, 1]))], BT2020, lambda x: x),
        ([(b"cICP", bytes([12, 13, 0, 1])), (b"sRGB", b"\0")], P3, _linear),  # the newer chunk comes first
    ],
)
def test_png_in_another_space_is_converted(make_png, extra, chromaticities, curve):
    picture = read_picture(png(make_png, *extra))
    expected = in_srgb(COLORS, chromaticities, curve)
    np.testing.assert_allclose(picture.pixels.astype(float), expected, atol=2)
    assert np.abs(picture.pixels.astype(int) - COLORS).max() > 8
    assert len(picture.notes) == 1 and picture.notes[0].startswith("Colors were converted to sRGB from")
    kept = read_picture(png(make_png, *extra), keep_icc=True)
    np.testing.assert_array_equal(kept.pixels, COLORS)
    assert color_space(kept.icc) == "RGB" and kept.notes == ()


@pytest.mark.parametrize(
    "extra",
    [
        [],
        [gama(1 / 2.2)],
        [chrm(SRGB)],
        [gama(1 / 2.2), chrm(SRGB)],
        [gama(1.0), chrm(P3), (b"sRGB", b"\0")],
        [(b"cICP", bytes([1, 13, 0, 1]))],
        [(b"cICP", bytes([1, 1, 0, 1]))],
    ],
)
def test_png_in_srgb_is_left_alone(make_png, extra):
    picture = read_picture(png(make_png, *extra))
    np.testing.assert_array_equal(picture.pixels, COLORS)
    assert (picture.notes, picture.icc) == ((), None)


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ([(b"cICP", bytes([9, 16, 0, 1]))], "high dynamic range (PQ)"),
        ([(b"cICP", bytes([9, 18, 0, 1]))], "high dynamic range (HLG)"),
        ([(b"cICP", bytes([77, 13, 0, 1]))], "77/13"),
        ([gama(0)], "gamma"),
        ([chrm((0.3, 0, *SRGB[2:]))], "cannot be one"),
    ],
)
def test_png_that_cannot_be_converted_gets_a_remark(make_png, extra, words):
    picture = read_picture(png(make_png, *extra))
    np.testing.assert_array_equal(picture.pixels, COLORS)
    assert len(picture.notes) == 1 and words in picture.notes[0]


def test_grey_png_with_a_gamma(make_png):
    ramp = np.arange(0, 256, 5, dtype=np.uint8)
    picture = read_picture(make_png(len(ramp), 1, 8, 0, [ramp.tobytes()], [gama(1.0)]))
    assert picture.grey
    np.testing.assert_allclose(picture.pixels[0, :, 0].astype(float), _encoded(ramp / 255), atol=2)


def _with_exif(kind, ifd0=(), exif=(), interop=None):
    block = Image.Exif()
    for tag, value in ifd0:
        block[tag] = value
    inner = block.get_ifd(0x8769)
    for tag, value in exif:
        inner[tag] = value
    if interop:
        inner[0xA005] = {1: interop}
    file = io.BytesIO()
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(COLORS).save(file, kind, exif=block.tobytes(), **options)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(
    ("declared", "curve"),
    [
        ({"exif": [(0xA001, 0xFFFF)], "interop": "R03"}, lambda x: x ** (563 / 256)),
        ({"exif": [(0xA001, 2)]}, lambda x: x ** (563 / 256)),
        ({"ifd0": [(0x013E, ADOBE_RGB[:2]), (0x013F, ADOBE_RGB[2:])], "exif": [(0xA500, 2.2)]}, lambda x: x**2.2),
    ],
    ids=["R03", "color space 2", "primaries"],
)
def test_adobe_rgb_of_cameras(kind, declared, curve):
    picture = read_picture(_with_exif(kind, **declared))
    with Image.open(io.BytesIO(_with_exif(kind, **declared))) as image:
        stored = np.array(image.convert("RGB"))
    np.testing.assert_allclose(picture.pixels.astype(float), in_srgb(stored, ADOBE_RGB, curve), atol=2)
    assert any("converted to sRGB" in note for note in picture.notes)


def test_exif_that_says_srgb_or_nothing_useful():
    assert not any("olors" in note for note in read_picture(_with_exif("PNG", exif=[(0xA001, 1)], interop="R98")).notes)
    notes = read_picture(_with_exif("PNG", exif=[(0xA001, 0xFFFF)])).notes
    assert any("not sRGB, but not what they are" in note for note in notes)


def _bmp(kind, profile=b""):
    pixels = b"".join(row[:, ::-1].tobytes() for row in COLORS[::-1])  # 4 x 3 bytes need no padding
    header = struct.pack("<IiiHHIIiiII", 124, 4, 6, 1, 24, 0, len(pixels), 2835, 2835, 0, 0)
    header += bytes(16) + kind + bytes(48) + struct.pack("<IIII", 4, 124 + len(pixels), len(profile), 0)
    return b"BM" + struct.pack("<IHHI", 138 + len(pixels) + len(profile), 0, 0, 138) + header + pixels + profile


def test_bmp(make_icc):
    assert read_picture(_bmp(b"BGRs")).notes == ()
    assert "color space of its own" in read_picture(_bmp(bytes(4))).notes[0]
    picture = read_picture(_bmp(b"DEBM", make_icc("p3", "srgb", "P3 inside")))
    np.testing.assert_allclose(picture.pixels.astype(float), in_srgb(COLORS, P3, _linear), atol=2)
    assert "P3 inside" in picture.notes[0]
