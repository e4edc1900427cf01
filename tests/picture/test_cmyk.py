"""CMYK pictures: through their profile to sRGB, or roughly without one, and told either way."""

import io

import numpy as np
import pytest
from PIL import Image

from codectk.picture.read import read_picture

# XYZ of linear sRGB, adapted from D65 to D50 by Bradford's matrix (Lindbloom).
TO_XYZ = np.array(
    [[0.4360747, 0.3850649, 0.1430804], [0.2225045, 0.7168786, 0.0606169], [0.0139322, 0.0971045, 0.7141733]]
)
WHITE = np.array([0.9642, 1.0, 0.8249])
INKS = np.array([[0, 150, 215], [220, 30, 130], [250, 235, 40], [0, 0, 0]]) / 255
"""What cyan, magenta, yellow and black leave of sRGB's channels."""


def on_paper(cmyk):
    """sRGB 0..255 of inks 0 or 255, (..., 4): each takes its part away."""
    there = np.asarray(cmyk)[..., None] > 0
    return 255 * np.where(there, INKS, 1.0).prod(axis=-2)


def lab_of(rgb):
    x = np.asarray(rgb) / 255
    light = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    f = light @ TO_XYZ.T / WHITE
    f = np.where(f > (6 / 29) ** 3, np.cbrt(f), f / 3 * (29 / 6) ** 2 + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def rgb_of(lab):
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * WHITE
    light = np.clip(xyz @ np.linalg.inv(TO_XYZ).T, 0, 1)
    return 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)


CORNERS = 255 * np.stack(np.meshgrid(*[[0, 1]] * 4, indexing="ij"), axis=-1)
LAB = lab_of(on_paper(CORNERS))


def saved(cmyk, kind, icc=None):
    """Each color as a flat square, which JPEG keeps to a level or two."""
    pixels = np.repeat(np.repeat(np.asarray(cmyk, np.uint8).reshape(-1, 1, 4), 16, axis=0), 16, axis=1)
    options = {"quality": 100, "subsampling": 0} if kind == "JPEG" else {}
    file = io.BytesIO()
    Image.fromarray(pixels, "CMYK").save(file, kind, icc_profile=icc, **options)
    return file.getvalue()


def middles(picture):
    return picture.pixels[8::16, 8].astype(float)


@pytest.mark.parametrize(("kind", "exact"), [("TIFF", 0), ("JPEG", 2)])
@pytest.mark.parametrize(("form", "rounding"), [("lut8", 6), ("lut16", 1)])
def test_colors_go_through_the_profile(make_cmyk_icc, kind, exact, form, rounding):
    picture = read_picture(saved(CORNERS, kind, make_cmyk_icc(form, LAB, "Test inks")))
    np.testing.assert_allclose(middles(picture), on_paper(CORNERS).reshape(-1, 3), atol=exact + rounding)
    assert picture.notes == ('Colors were converted from CMYK by the ICC profile "Test inks" to sRGB.',)
    assert picture.icc is None and not picture.grey


def test_between_full_inks_the_profile_is_interpolated(make_cmyk_icc):
    """Along the edges from white, the mean of two colors in CIELAB is not that in sRGB."""
    white, full = LAB[0, 0, 0, 0], np.stack([LAB[tuple(one)] for one in np.eye(4, dtype=int)])
    picture = read_picture(saved(128 * np.eye(4, dtype=int), "TIFF", make_cmyk_icc("lut16", LAB)))
    np.testing.assert_allclose(middles(picture), rgb_of(white + (full - white) * 128 / 255), atol=1.5)


@pytest.mark.parametrize("kind", ["TIFF", "JPEG"])
def test_without_a_profile_that_fits_it_is_said(make_cmyk_icc, make_icc, kind):
    good = make_cmyk_icc("lut16", LAB)
    cut = good[:300]
    for icc in (None, make_icc("p3", "srgb"), cut):
        picture = read_picture(saved([[0, 255, 255, 0], [0, 0, 0, 0]], kind, icc))
        red, white = middles(picture)
        assert red[0] > 200 and red[1:].max() < 60 and white.min() > 250
        assert picture.notes == ("Colors were converted from CMYK without a profile that fits, so they are not exact.",)
