"""ICC profiles: converted with a note, kept on request, dropped when they say nothing, ignored when broken."""

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from codectk.base.errors import InputError
from codectk.picture import profile as profile_module
from codectk.picture.profile import color_space
from codectk.picture.read import read_picture
from codectk.picture.write import write_picture

RAMP = np.arange(0, 250, 10, dtype=np.uint8)


def png(array, icc):
    file = io.BytesIO()
    Image.fromarray(array).save(file, "PNG", icc_profile=icc)
    return file.getvalue()


def colors():
    return np.stack(np.meshgrid(RAMP, RAMP), axis=-1)[..., [0, 1, 0]].copy()


def p3_to_srgb(pixels):
    """Independent of LittleCMS: Display P3 to sRGB by the published matrix between their linear lights."""
    matrix = np.array([[1.22494, -0.22494, 0], [-0.04206, 1.04206, 0], [-0.01964, -0.07864, 1.09827]])
    x = pixels / 255
    light = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    light = np.clip(light @ matrix.T, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255


def test_display_p3_becomes_srgb_with_a_note(make_icc):
    picture = read_picture(png(colors(), make_icc("p3", "srgb", "Display P3\x1b[31m")))
    assert picture.icc is None
    assert picture.notes == ('Colors were converted from the ICC profile "Display P3[31m" to sRGB.',)
    expected = p3_to_srgb(colors())
    inside = ((expected > 1) & (expected < 254)).all(axis=-1)
    assert inside.sum() > 100
    np.testing.assert_allclose(picture.pixels[inside], expected[inside], atol=2)


@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "tif"])
def test_kept_profile_travels_through_a_file(make_icc, tmp_path, extension):
    icc = make_icc("p3", "srgb")
    picture = read_picture(png(colors(), icc), keep_icc=True)
    np.testing.assert_array_equal(picture.pixels, colors())
    assert picture.icc == icc
    assert picture.notes == ()
    path = tmp_path / f"out.{extension}"
    write_picture(path, picture)
    assert read_picture(path, keep_icc=True).icc == icc


@pytest.mark.parametrize("keep", [False, True])
def test_srgb_profiles_are_dropped_silently(make_icc, keep):
    built_in = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for icc in (make_icc("srgb", "srgb", "no such name"), built_in):
        picture = read_picture(png(colors(), icc), keep_icc=keep)
        np.testing.assert_array_equal(picture.pixels, colors())
        assert picture.icc is None
        assert picture.notes == ()


def test_a_gamma_of_2_2_is_not_srgb(make_icc):
    picture = read_picture(png(colors(), make_icc("srgb", 2.2)))
    assert len(picture.notes) == 1
    assert 3 < np.abs(picture.pixels.astype(int) - colors()).max() < 15


@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("case", ["short", "cut", "noise", "gray"])
def test_broken_or_unfitting_profiles_are_ignored_with_a_note(make_icc, keep, case):
    good = make_icc("p3", "srgb")
    icc = {
        "short": b"profile",
        "cut": good[:160],
        "noise": good[:132] + b"\xff" * 400,
        "gray": make_icc("gray", 1.8),
    }[case]
    picture = read_picture(png(colors(), icc), keep_icc=keep)
    np.testing.assert_array_equal(picture.pixels, colors())
    assert picture.icc is None
    assert len(picture.notes) == 1
    assert picture.notes[0].startswith("The ICC profile was ignored: it is")


@pytest.mark.parametrize("space", ["gray", "srgb"])
def test_grey_pictures_are_converted_and_stay_grey(make_icc, space):
    ramp = np.arange(256, dtype=np.uint8)[None]
    picture = read_picture(png(ramp, make_icc(space, 1.8)))
    assert picture.grey
    assert len(picture.notes) == 1
    light = (np.arange(256) / 255) ** 1.8
    expected = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    np.testing.assert_allclose(picture.pixels[0, :, 1], expected, atol=2)
    assert (picture.pixels == picture.pixels[..., :1]).all()


def test_kept_grey_profiles(make_icc, tmp_path):
    ramp = np.arange(256, dtype=np.uint8)[None]
    gray, rgb = make_icc("gray", 1.8), make_icc("srgb", 1.8)
    write_picture(tmp_path / "gray.png", read_picture(png(ramp, gray), keep_icc=True))
    write_picture(tmp_path / "rgb.png", read_picture(png(ramp, rgb), keep_icc=True))
    with Image.open(tmp_path / "gray.png") as image:
        assert (image.mode, image.info["icc_profile"]) == ("L", gray)
    with Image.open(tmp_path / "rgb.png") as image:  # an RGB profile is only valid on three channels
        assert (image.mode, image.info["icc_profile"]) == ("RGB", rgb)
        np.testing.assert_array_equal(np.array(image)[..., 2], ramp)


def test_a_huge_profile_is_not_kept(make_icc, monkeypatch):
    monkeypatch.setattr(profile_module, "MAX_METADATA_BYTES", 1000)
    data = png(colors(), make_icc("p3", "srgb"))
    with pytest.raises(InputError, match="limit is 1,000"):
        read_picture(data, keep_icc=True)
    assert read_picture(data).icc is None


def test_pillow_without_littlecms_is_said(make_icc, monkeypatch):
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(InputError, match="LittleCMS"):
        read_picture(png(colors(), make_icc("p3", "srgb")))


def test_color_space(make_icc):
    assert color_space(make_icc("gray", 1.0)) == "GRAY"
    assert color_space(make_icc("p3", 1.0)) == "RGB"
    assert color_space(b"RGB " * 10) == ""
