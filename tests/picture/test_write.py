"""Pictures are written whole, losslessly where the format can, and refused before work where it cannot."""

import os
import threading

import numpy as np
import pytest
from PIL import Image

from codectk.base.errors import ContractError, OutputError
from codectk.base.types import Picture
from codectk.picture.read import read_picture
from codectk.picture.write import check_output, to_pil, write_picture

RNG = np.random.default_rng(1)
RGB = RNG.integers(0, 256, (9, 6, 3), dtype=np.uint8)
GREY = np.repeat(RGB[..., :1], 3, axis=2)
ALPHA = RNG.integers(0, 255, (9, 6), dtype=np.uint8)
ALPHA[2:4] = 0  # the colors under full transparency are kept too


@pytest.mark.parametrize("extension", ["png", "webp", "tif", "tiff", "PNG"])
@pytest.mark.parametrize("pixels", [RGB, GREY], ids=["rgb", "grey"])
@pytest.mark.parametrize("alpha", [None, ALPHA], ids=["opaque", "alpha"])
def test_round_trip(tmp_path, extension, pixels, alpha):
    path = tmp_path / f"out.{extension}"
    write_picture(path, Picture(pixels, alpha=alpha, grey=pixels is GREY))
    back = read_picture(path)
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.grey == (pixels is GREY and extension != "webp")  # WebP has no grey
    if alpha is None:
        assert back.alpha is None
    else:
        np.testing.assert_array_equal(back.alpha, alpha)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("pixels", [RGB, GREY], ids=["rgb", "grey"])
def test_ppm(tmp_path, pixels):
    write_picture(tmp_path / "out.ppm", Picture(pixels, grey=pixels is GREY))
    assert (tmp_path / "out.ppm").read_bytes() == b"P6\n6 9\n255\n" + pixels.tobytes()


@pytest.mark.parametrize("extension", ["jpg", "jpeg"])
def test_jpeg_is_close(tmp_path, extension):
    smooth = np.add.outer(np.arange(64), np.arange(64)).astype(np.uint8)
    write_picture(tmp_path / f"out.{extension}", Picture(np.dstack([smooth, smooth // 2, 255 - smooth])))
    with Image.open(tmp_path / f"out.{extension}") as image:
        assert image.format == "JPEG"
        np.testing.assert_allclose(np.array(image)[..., 0].astype(int), smooth, atol=6)
    write_picture(tmp_path / f"grey.{extension}", Picture(GREY, grey=True))
    assert read_picture(tmp_path / f"grey.{extension}").grey


@pytest.mark.parametrize(
    ("picture", "mode"),
    [
        (Picture(RGB), "RGB"),
        (Picture(RGB, alpha=ALPHA), "RGBA"),
        (Picture(GREY, grey=True), "L"),
        (Picture(GREY, alpha=ALPHA, grey=True), "LA"),
    ],
)
def test_to_pil(picture, mode):
    image = to_pil(picture)
    assert image.mode == mode
    assert image.size == (6, 9)
    back = read_picture(image)
    np.testing.assert_array_equal(back.pixels, picture.pixels)


def test_to_pil_refuses_what_is_no_picture():
    for wrong in (
        Picture(RGB.astype(np.float32)),
        Picture(RGB[..., 0]),
        Picture(RGB, alpha=ALPHA[:-1]),
        Picture(RGB, alpha=ALPHA.astype(np.float32)),
        Picture(RGB, grey=True),
    ):
        with pytest.raises(ContractError):
            to_pil(wrong)


@pytest.mark.parametrize("name", ["out", "out.gif", "out.ctk", "out.", ".png"])
def test_unknown_extensions(tmp_path, name):
    with pytest.raises(OutputError, match=r"\.png, \.jpg"):
        check_output(tmp_path / name)


def test_bad_places(tmp_path):
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OutputError, match="no folder"):
        check_output(tmp_path / "missing" / "out.png")
    with pytest.raises(OutputError, match="is a folder"):
        check_output(tmp_path / "folder.png")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OutputError, match="no folder"):
        check_output(tmp_path / "file" / "out.png")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_written_into_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    read: list[bytes] = []
    reader = threading.Thread(target=lambda: read.append((tmp_path / "pipe.png").read_bytes()))
    reader.start()
    write_picture(tmp_path / "pipe.png", Picture(RGB))
    reader.join(10)
    np.testing.assert_array_equal(read_picture(read[0]).pixels, RGB)
    assert (tmp_path / "pipe.png").is_fifo()


def test_no_permission(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # the tests may run as root, who may do anything
    with pytest.raises(OutputError, match="permission"):
        check_output(tmp_path / "out.png")


def test_check_output_says_nothing_when_all_is_well(tmp_path, monkeypatch):
    (tmp_path / "there.png").write_bytes(b"old")
    check_output(tmp_path / "there.png", size=(60_000, 10), alpha=True, icc=b"x")
    assert (tmp_path / "there.png").read_bytes() == b"old"
    monkeypatch.chdir(tmp_path)
    check_output("relative.jpg")


@pytest.mark.parametrize(
    ("name", "facts", "match"),
    [
        ("out.jpg", {"alpha": True}, "transparency"),
        ("out.ppm", {"alpha": True}, "transparency"),
        ("out.ppm", {"icc": b"profile"}, "ICC"),
        ("out.webp", {"icc": bytes(16) + b"GRAY" + bytes(16) + b"acsp" + bytes(99)}, "grey ICC"),
        ("out.webp", {"size": (16_384, 2)}, "16,383"),
        ("out.jpg", {"size": (2, 65_501)}, "65,500"),
    ],
)
def test_what_a_format_cannot_hold(tmp_path, name, facts, match):
    with pytest.raises(OutputError, match=match):
        check_output(tmp_path / name, **facts)


def test_write_makes_the_same_checks(tmp_path):
    with pytest.raises(OutputError, match="transparency"):
        write_picture(tmp_path / "out.jpg", Picture(RGB, alpha=ALPHA))
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch):
    (tmp_path / "out.png").write_bytes(b"old")

    def fail(self, file, *args, **kwargs):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(OutputError, match="No space left"):
        write_picture(tmp_path / "out.png", Picture(RGB))
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
