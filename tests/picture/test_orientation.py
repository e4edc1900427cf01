"""EXIF orientation is applied exactly once, whatever the container."""

import io

import numpy as np
import pytest
from PIL import Image, ImageOps

from codectk.picture.read import read_picture

UPRIGHT = np.array([[10, 40, 70], [100, 130, 160]], dtype=np.uint8)  # 2 high, 3 wide

# How a camera stores UPRIGHT under each orientation, written out from the EXIF definition
# (where the stored row 0 and column 0 lie in the scene).
STORED = {
    1: [[10, 40, 70], [100, 130, 160]],  # top, left
    2: [[70, 40, 10], [160, 130, 100]],  # top, right
    3: [[160, 130, 100], [70, 40, 10]],  # bottom, right
    4: [[100, 130, 160], [10, 40, 70]],  # bottom, left
    5: [[10, 100], [40, 130], [70, 160]],  # left, top
    6: [[70, 160], [40, 130], [10, 100]],  # right, top
    7: [[160, 70], [130, 40], [100, 10]],  # right, bottom
    8: [[100, 10], [130, 40], [160, 70]],  # left, bottom
}


def stored_file(kind, orientation, mode="RGB"):
    plane = np.array(STORED[orientation], dtype=np.uint8)
    image = Image.fromarray(np.stack([plane, plane // 2, 255 - plane], axis=-1))
    if mode == "RGBA":
        image.putalpha(Image.fromarray(plane))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    options = {"WEBP": {"lossless": True, "exact": True}}.get(kind, {})
    image.save(file, kind, exif=exif, **options)
    return file.getvalue()


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_lossless_containers(kind, orientation):
    picture = read_picture(stored_file(kind, orientation))
    expected = np.stack([UPRIGHT, UPRIGHT // 2, 255 - UPRIGHT], axis=-1)
    np.testing.assert_array_equal(picture.pixels, expected)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_alpha_turns_with_the_pixels(orientation):
    picture = read_picture(stored_file("PNG", orientation, "RGBA"))
    np.testing.assert_array_equal(picture.pixels[..., 0], UPRIGHT)
    np.testing.assert_array_equal(picture.alpha, UPRIGHT)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_and_note(orientation):
    big = np.kron(np.array(STORED[orientation], dtype=np.uint8), np.ones((16, 16), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(big).save(file, "JPEG", exif=exif, quality=95)
    picture = read_picture(file.getvalue())
    assert picture.pixels.shape == (32, 48, 3)
    np.testing.assert_allclose(picture.pixels[8::16, 8::16, 0].astype(int), UPRIGHT, atol=3)
    assert any("orientation" in note for note in picture.notes) == (orientation != 1)


def test_pillow_image_not_touched_and_not_turned_twice():
    data = stored_file("PNG", 6)
    image = Image.open(io.BytesIO(data))
    first = read_picture(image)
    assert image.size == (2, 3)  # the caller's image is as it was
    turned = ImageOps.exif_transpose(image)
    np.testing.assert_array_equal(read_picture(turned).pixels, first.pixels)
    np.testing.assert_array_equal(first.pixels[..., 0], UPRIGHT)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_nonsense_orientation_means_upright(value):
    exif = Image.Exif()
    exif[0x0112] = value
    file = io.BytesIO()
    Image.fromarray(UPRIGHT).save(file, "PNG", exif=exif)
    np.testing.assert_array_equal(read_picture(file.getvalue()).pixels[..., 0], UPRIGHT)


def test_other_exif_is_dropped_with_a_note():
    exif = Image.Exif()
    exif[0x010F] = "Maker"
    file = io.BytesIO()
    Image.fromarray(UPRIGHT).save(file, "JPEG", exif=exif)
    assert read_picture(file.getvalue()).notes == ("The EXIF metadata was not kept.",)


def test_damaged_exif_is_ignored_with_a_note():
    file = io.BytesIO()
    Image.fromarray(UPRIGHT).save(file, "PNG", exif=b"Exif\x00\x00nonsense of some length")
    picture = read_picture(file.getvalue())
    np.testing.assert_array_equal(picture.pixels[..., 0], UPRIGHT)
    assert picture.notes == ("The EXIF data was ignored: it is damaged.",)
