"""Pictures that a codec's weights were not made for are told, with a codec that suits them; photos are not."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image, ImageDraw

import codectk
from codectk.base.types import Picture
from codectk.pipeline import domain
from codectk.spec.fidelity import Fidelity
from codectk.testing import pictures


def text(height: int = 192, width: int = 256) -> np.ndarray:
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for row in range(0, height, 11):
        draw.text((2 - 5 * (row % 7), row), "The quick brown fox jumps over 1234567890 lazy dogs. " * 3, fill="black")
    return np.asarray(image)


def checkerboard(side: int, height: int = 128, width: int = 192) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.repeat((255 * ((x // side + y // side) % 2)).astype(np.uint8)[..., None], 3, axis=2)


NOISE = np.random.default_rng(0).integers(0, 256, (128, 192, 3)).astype(np.uint8)
FLAT = np.full((128, 192, 3), 90, np.uint8)


@pytest.fixture(scope="module", params=["segpic", "egic"])
def codec(request: pytest.FixtureRequest) -> codectk.Codec:
    pytest.importorskip(f"codectk_{request.param}")
    return codectk.load(request.param)


@pytest.mark.parametrize(
    ("pixels", "advice"),
    [
        (checkerboard(1), "few colors"),
        (checkerboard(2), "few colors"),
        (text(), "few colors"),
        (NOISE, "lossless"),
        (NOISE[:60, :60], "lossless"),  # 3,600 colors are not few for so many pixels
    ],
    ids=["checkerboard", "checks of two", "text", "noise", "little noise"],
)
def test_what_is_no_photo_is_told(codec, pixels, advice):
    with pytest.warns(codectk.DomainWarning, match=f"codec '{codec.name}' was trained on.*{advice}"):
        codec.prepare(pixels, quality=30)
    with pytest.raises(codectk.DomainError, match="dB at best"):
        codec.encode(pixels, quality=30, strict_domain=True)


def test_photos_and_plain_pictures_are_not(codec, photo):
    gradient = np.repeat(np.linspace(0, 255, 192).astype(np.uint8)[None, :, None], 128, axis=0).repeat(3, axis=2)
    for pixels in (photo(176, 208), pictures.scene(128, 160), FLAT, gradient, FLAT[:1, :1], FLAT[:3], FLAT[:, :2]):
        with warnings.catch_warnings():
            warnings.simplefilter("error", codectk.DomainWarning)
            codec.prepare(pixels, quality=30)


def test_the_remark_changes_no_file_and_is_rare_work(codec, monkeypatch, photo):
    plain = replace(codec, card=replace(codec.card, fidelity=None))
    with pytest.warns(codectk.DomainWarning):
        assert codec.encode(text(), quality=40) == plain.encode(text(), quality=40)
    monkeypatch.setattr(domain, "psnr_of", lambda *args: pytest.fail("a plain photo was tried"))
    codec.prepare(pictures.scene(128, 160), quality=40)


def test_a_codec_that_nobody_measured_says_nothing(pocket):
    codec = codectk.load("pocket")
    assert domain.unlike_training(codec, checkerboard(1)) is None
    measured = replace(codec, card=replace(codec.card, fidelity=Fidelity(60.0, {"quality": 100.0}, "made up")))
    remark = domain.unlike_training(measured, checkerboard(1))
    assert remark is None or "codec 'pocket'" in remark
    coarse = Fidelity(60.0, {"quality": 0.0}, "made up")
    told = domain.unlike_training(replace(codec, card=replace(codec.card, fidelity=coarse)), NOISE)
    assert told is not None and "where theirs have 60 and more" in told


def test_the_busiest_square_is_found():
    pixels = np.full((300, 420, 3), 200, np.uint8)
    pixels[160:288, 256:384] = checkerboard(1, 128, 128)
    square, busy = domain.busiest(pixels)
    assert np.array_equal(square, pixels[160:288, 256:384]) and busy > 900
    assert domain.busiest(pixels[:5, :7])[0].shape == (5, 7, 3)


def test_a_png_that_is_smaller_is_told(pocket):
    codec = codectk.load("pocket")
    few = checkerboard(8, 200, 300)
    with pytest.warns(codectk.CodectkWarning, match=r"PNG of this picture has \d+ bytes, fewer than the [\d,]+"):
        codec.encode(few, quality=90)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        codec.encode(NOISE, quality=50)
    assert domain.lossless_is_smaller(Picture(NOISE), 10**6) is not None
    assert domain.lossless_is_smaller(Picture(NOISE), 1000) is None
    strip = few.copy()
    strip[:64] = np.random.default_rng(1).integers(0, 256, strip[:64].shape)
    assert domain.lossless_is_smaller(Picture(strip), 5000) is None, "the strip is small, the whole is not"
