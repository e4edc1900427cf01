"""Every kind of picture is read on purpose or refused in one sentence."""

import io
import struct

import numpy as np
import pytest
from PIL import Image

from codectk.base.errors import InputError
from codectk.picture import opening
from codectk.picture.read import read_picture

RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (7, 5, 3), dtype=np.uint8)
GREY = RGB[..., 0]
ALPHA = np.arange(35, dtype=np.uint8).reshape(7, 5)


def saved(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def refusal(source):
    """The message of the InputError that reading must raise, checked to be one sentence."""
    with pytest.raises(InputError) as caught:
        read_picture(source)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


# Formats and modes that are read


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PPM", {}),
        ("BMP", {}),
    ],
)
@pytest.mark.parametrize("as_path", [False, True])
def test_lossless_rgb(kind, options, as_path, tmp_path):
    data = saved(Image.fromarray(RGB), kind, **options)
    if as_path:
        (tmp_path / "picture.any").write_bytes(data)  # the content decides, not the extension
        data = tmp_path / "picture.any"
    picture = read_picture(data)
    np.testing.assert_array_equal(picture.pixels, RGB)
    assert picture.pixels.flags.c_contiguous and picture.pixels.flags.writeable
    assert (picture.alpha, picture.grey, picture.icc, picture.notes) == (None, False, None, ())
    assert (picture.height, picture.width) == (7, 5)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "PPM", "BMP", "JPEG"])
def test_grey(kind):
    flat = np.full((9, 10), 77, dtype=np.uint8)  # survives JPEG exactly
    picture = read_picture(saved(Image.fromarray(flat), kind))
    assert picture.grey
    np.testing.assert_array_equal(picture.pixels, np.repeat(flat[..., None], 3, axis=2))


def test_ycbcr_tiff_is_rgb():
    picture = read_picture(saved(Image.new("RGB", (16, 16), (200, 60, 30)), "TIFF", compression="jpeg"))
    np.testing.assert_allclose(picture.pixels[8, 8].astype(int), (200, 60, 30), atol=4)


def test_one_bit():
    picture = read_picture(saved(Image.fromarray(GREY > 128)))
    assert picture.grey
    np.testing.assert_array_equal(picture.pixels[..., 1], np.where(GREY > 128, 255, 0))


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_rgba(kind):
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    picture = read_picture(saved(Image.fromarray(np.dstack([RGB, ALPHA])), kind, **options))
    np.testing.assert_array_equal(picture.pixels, RGB)
    np.testing.assert_array_equal(picture.alpha, ALPHA)
    assert not picture.grey


def test_grey_alpha():
    picture = read_picture(saved(Image.fromarray(np.dstack([GREY, ALPHA]))))
    assert picture.grey
    np.testing.assert_array_equal(picture.pixels[..., 2], GREY)
    np.testing.assert_array_equal(picture.alpha, ALPHA)


def test_opaque_alpha_is_dropped():
    opaque = np.full_like(GREY, 255)
    assert read_picture(saved(Image.fromarray(np.dstack([RGB, opaque])))).alpha is None
    assert read_picture(saved(Image.fromarray(np.dstack([GREY, opaque])))).alpha is None
    assert read_picture(np.dstack([RGB, opaque])).alpha is None


def test_palettes():
    image = Image.fromarray((ALPHA % 4).astype(np.uint8)).convert("P")
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    colors = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [9, 9, 9]], dtype=np.uint8)
    for kind in ("PNG", "GIF"):
        picture = read_picture(saved(image, kind))
        np.testing.assert_array_equal(picture.pixels, colors[ALPHA % 4])
        assert picture.alpha is None and not picture.grey
    for kind in ("PNG", "GIF"):
        picture = read_picture(saved(image, kind, transparency=2))
        np.testing.assert_array_equal(picture.alpha, np.where(ALPHA % 4 == 2, 0, 255))
    picture = read_picture(saved(image, "PNG", transparency=bytes([0, 64, 128, 255])))
    np.testing.assert_array_equal(picture.alpha, np.array([0, 64, 128, 255])[ALPHA % 4])
    np.testing.assert_array_equal(picture.pixels, colors[ALPHA % 4])


@pytest.mark.parametrize(("depth", "key"), [(1, 0), (1, 1), (2, 0), (2, 1), (2, 3), (4, 0), (4, 1), (4, 9), (8, 200)])
def test_transparent_luminance_of_png(make_png, depth, key):
    samples = np.arange(1 << depth)
    bits = "".join(f"{sample:0{depth}b}" for sample in samples)
    row = int(bits.ljust(-(-len(bits) // 8) * 8, "0"), 2).to_bytes(-(-len(bits) // 8), "big")
    picture = read_picture(make_png(1 << depth, 1, depth, 0, [row], [(b"tRNS", struct.pack(">H", key))]))
    assert picture.grey
    np.testing.assert_array_equal(picture.pixels[0, :, 0], samples * 255 // ((1 << depth) - 1))
    np.testing.assert_array_equal(picture.alpha[0], np.where(samples == key, 0, 255))


def test_transparent_color_of_png(make_png):
    pixels = bytes([1, 2, 3, 4, 5, 6])
    picture = read_picture(make_png(2, 1, 8, 2, [pixels], [(b"tRNS", struct.pack(">HHH", 4, 5, 6))]))
    np.testing.assert_array_equal(picture.pixels[0], [[1, 2, 3], [4, 5, 6]])
    np.testing.assert_array_equal(picture.alpha[0], [255, 0])


@pytest.mark.parametrize("mode", ["RGBa", "La", "RGBX", "YCbCr", "PA"])
def test_rare_pillow_modes(mode):
    base = Image.new("RGBA", (4, 3), (200, 200, 200, 255))
    via = {"La": "LA", "PA": "P", "RGBX": "RGB", "YCbCr": "RGB"}.get(mode)
    image = (base.convert(via) if via else base).convert(mode)
    picture = read_picture(image)
    assert image.mode == mode
    np.testing.assert_allclose(picture.pixels.astype(int), 200, atol=2)
    assert picture.alpha is None
    assert picture.grey == (mode == "La")


def test_premultiplied_alpha_becomes_straight():
    picture = read_picture(Image.new("RGBA", (2, 2), (200, 100, 40, 128)).convert("RGBa"))
    np.testing.assert_allclose(picture.pixels[0, 0].astype(int), (200, 100, 40), atol=2)
    assert (picture.alpha == 128).all()


def test_phone_jpeg_with_appended_pictures():
    second = Image.new("RGB", (8, 8), "white")
    data = saved(Image.new("RGB", (16, 16), (10, 10, 10)), "MPO", save_all=True, append_images=[second])
    picture = read_picture(data)
    assert (picture.pixels == 10).all()
    assert picture.pixels.shape == (16, 16, 3)
    assert len(picture.notes) == 1
    assert picture.notes[0].startswith("Only the first of the 2 pictures")


# What is refused


def test_other_color_models_and_floats():
    assert "32 bits" in refusal(saved(Image.fromarray(GREY.astype(np.int32)), "TIFF"))
    assert "floating" in refusal(saved(Image.fromarray(GREY.astype(np.float32)), "TIFF"))
    assert "floating" in refusal(b"Pf 1 1 -1.0 " + bytes(4))
    assert "LAB" in refusal(saved(Image.new("LAB", (8, 8)), "TIFF"))
    assert "HSV" in refusal(Image.new("HSV", (8, 8)))


def test_a_mode_nobody_thought_of_is_refused(monkeypatch):
    monkeypatch.setattr(opening, "_REFUSED_MODES", {"I": ""})
    assert refusal(Image.new("HSV", (8, 8))) == (
        "The given image has the unsupported pixel mode HSV; convert it to RGB first."
    )


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "TIFF", "PNG"])
def test_animations_and_pages(kind):
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue", "lime")]
    data = saved(frames[0], kind, save_all=True, append_images=frames[1:])
    message = refusal(data)
    assert "3 frames" in message and "extract" in message
    assert "3 frames" in refusal(Image.open(io.BytesIO(data)))
    assert read_picture(Image.open(io.BytesIO(data)).copy()).pixels.shape == (8, 8, 3)


def test_not_a_picture(tmp_path):
    path = tmp_path / "notes.png"
    path.write_text("These are words.")
    assert str(path) in refusal(path)
    assert "not a PNG" in refusal(path)
    assert "convert" in refusal(b"%PDF-1.7 and so on")
    refusal(b"\x00\x00\x00\x1cftypheic and so on")
    refusal(b"\x00\x00\x00\x1cftypavif and so on")


def test_files_that_are_not_there(tmp_path):
    (tmp_path / "empty.jpg").write_bytes(b"")
    assert refusal(tmp_path / "missing.png") == f"There is no file {tmp_path / 'missing.png'}."
    assert refusal(str(tmp_path)) == f"{tmp_path} is a folder, not a picture."
    assert refusal(tmp_path / "empty.jpg") == f"{tmp_path / 'empty.jpg'} is empty."
    assert refusal(b"") == "The given data is empty."
    assert "cannot be opened" in refusal(str(tmp_path / "a\0b.png"))
    assert "type int" in refusal(3)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF", "PPM", "GIF", "BMP"])
@pytest.mark.filterwarnings("ignore")  # Pillow warns about cut TIFFs before it raises
def test_cut_files_are_refused_or_whole(kind):
    noise = RNG.integers(0, 256, (24, 31, 3), dtype=np.uint8)
    data = saved(Image.fromarray(noise), kind)
    whole = read_picture(data).pixels
    refused = 0
    for length in range(len(data)):
        try:
            np.testing.assert_array_equal(read_picture(data[:length]).pixels, whole)
        except InputError:
            refused += 1
    assert refused > 0.97 * len(data)  # the rest lack only a trailer


def test_damaged_png_is_refused():
    data = bytearray(saved(Image.fromarray(RGB)))
    data[data.index(b"IDAT") + 10] ^= 1
    assert "damaged" in refusal(bytes(data))


def test_twelve_bit_jpeg_is_refused():
    data = bytearray(saved(Image.fromarray(RGB), "JPEG"))
    data[data.index(b"\xff\xc0") + 4] = 12
    assert "12-bit" in refusal(bytes(data))
