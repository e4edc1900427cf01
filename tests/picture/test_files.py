"""Files as they are found: with long texts, without their last bytes, from phones, on pipes."""

import io
import os
import struct
import threading
import zlib

import numpy as np
import pytest
from PIL import Image, features

from codectk.base.errors import InputError, OutputError, UsageError
from codectk.base.types import Picture
from codectk.picture.read import read_picture
from codectk.picture.write import write_picture

RNG = np.random.default_rng(9)
RGB = RNG.integers(0, 256, (24, 31, 3), dtype=np.uint8)


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def test_a_png_with_long_texts_is_not_damaged(make_png):
    long = bytes(3 << 20)
    itxt = b"\0\1\0\0\0" + zlib.compress(long)
    for extra in (
        [(b"zTXt", b"Comment\0\0" + zlib.compress(long))],
        [(b"iTXt", b"Comment" + itxt)],
        [(b"tEXt", b"Comment\0" + long)],
        [(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(1 << 20)))] * 70,
    ):
        picture = read_picture(make_png(1, 1, 8, 2, [b"abc"], extra))
        assert (picture.pixels.tolist(), picture.notes) == ([[[97, 98, 99]]], ())
    picture = read_picture(make_png(1, 1, 8, 2, [b"abc"], [(b"iTXt", b"XML:com.adobe.xmp" + itxt)]))
    assert any("not kept" in note for note in picture.notes)
    picture = read_picture(make_png(1, 1, 8, 2, [b"abc"], [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x/>")]))
    assert any("XMP" in note for note in picture.notes)


def test_a_png_with_a_long_profile(make_png, make_icc):
    icc = make_icc("p3", "srgb", "long")
    icc = struct.pack(">I", len(icc) + (2 << 20)) + icc[4:] + bytes(2 << 20)
    picture = read_picture(make_png(1, 1, 8, 2, [b"abc"], [(b"iCCP", b"p\0\0" + zlib.compress(icc))]), keep_icc=True)
    assert picture.icc == icc


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("cut", [1, 2])
def test_a_jpeg_without_its_end_is_taken(progressive, cut):
    data = saved(Image.fromarray(RGB), "JPEG", progressive=progressive)
    whole = read_picture(data)
    picture = read_picture(data[:-cut])
    np.testing.assert_array_equal(picture.pixels, whole.pixels)
    assert picture.notes == ("The file lacks its last bytes; all pixels are there.",)
    for more in (60, len(data) // 2):
        with pytest.raises(InputError, match="cut"):
            read_picture(data[:-more])


def test_orientation_of_tiff_gets_the_remark_of_jpeg():
    exif = Image.Exif()
    exif[0x0112] = 6
    notes = [read_picture(saved(Image.fromarray(RGB), kind, exif=exif)).notes for kind in ("JPEG", "TIFF")]
    assert notes[0] == notes[1] == ("The orientation in the metadata was applied to the pixels.",)


def test_a_phones_second_picture():
    pictures = [Image.new("RGB", (16, 16), color) for color in ((10, 10, 10), (90, 90, 90))]
    image = Image.open(io.BytesIO(saved(pictures[0], "MPO", save_all=True, append_images=pictures[1:])))
    image.seek(1)
    picture = read_picture(image)
    assert abs(int(picture.pixels[8, 8, 0]) - 90) < 3
    assert picture.notes[0].startswith("Only number 2 of the 2 pictures")


def test_plain_pixmaps():
    assert read_picture(b"P1 3 1\n1 0 1\n").pixels[..., 0].tolist() == [[0, 255, 0]]
    assert read_picture(b"P2 2 1 255\n7 200\n").pixels[..., 0].tolist() == [[7, 200]]
    assert read_picture(b"P3 1 1 255\n7 8 9\n").pixels.tolist() == [[[7, 8, 9]]]
    with pytest.raises(InputError):
        read_picture(b"P1 3 1\n1 0\n")


def test_every_kind_of_netpbm_header_fails_with_a_sentence():
    for digit in b"0123456789fFyaz":
        for rest in (b"", b" ", b" 1", b" 1 1", b" 1 1 ", b" 1 1 70000 ", b" 1 1 0 ", b" x y z", b" 1 1 1 9 9 9"):
            try:
                read_picture(b"P" + bytes([digit]) + rest)
            except InputError as error:
                assert str(error).endswith(".")


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif():
    smooth = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)
    pixels = np.dstack([smooth, 255 - smooth, smooth // 2])
    picture = read_picture(saved(Image.fromarray(pixels), "AVIF", quality=95, subsampling="4:4:4"))
    np.testing.assert_allclose(picture.pixels.astype(int), pixels, atol=6)
    assert picture.notes == ()
    with pytest.raises(InputError):
        read_picture(saved(Image.fromarray(pixels), "AVIF")[:-40])


def _heic(pixels, **options):
    pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC needs codectk[heic]")
    file = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(pixels)).save(file, quality=-1, chroma=444, **options)
    return file.getvalue()


def test_heic():
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    pixels = np.dstack([smooth, 255 - smooth, smooth // 2])
    before = dict(Image.OPEN)
    picture = read_picture(_heic(pixels))
    np.testing.assert_allclose(picture.pixels.astype(int), pixels, atol=6)
    assert before == Image.OPEN  # what Pillow opens elsewhere in this process stays as it was


def test_heic_without_its_reader(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError, match=r"pip install 'codectk\[heic\]'"):
        read_picture(b"\0\0\0\x18ftypheic" + bytes(100))


def test_open_files_and_pipes(tmp_path):
    data = saved(Image.fromarray(RGB), "PNG")
    file = io.BytesIO(b"before" + data)
    file.seek(6)
    np.testing.assert_array_equal(read_picture(file).pixels, RGB)
    read, write = os.pipe()
    thread = threading.Thread(target=lambda: (os.write(write, data), os.close(write)))
    thread.start()
    np.testing.assert_array_equal(read_picture(f"/dev/fd/{read}").pixels, RGB)
    thread.join(10)
    os.close(read)
    with pytest.raises(UsageError, match="empty"):
        read_picture("")
    with pytest.raises(UsageError, match="rb"):
        read_picture(io.StringIO("text"))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs Linux's /dev/full")
@pytest.mark.parametrize("extension", ["png", "jpg", "webp", "tif", "ppm"])
def test_a_full_disk_is_told_in_one_way(tmp_path, extension):
    (tmp_path / f"out.{extension}").symlink_to("/dev/full")
    with pytest.raises(OutputError, match="No space left on device"):
        write_picture(tmp_path / f"out.{extension}", Picture(RGB))
