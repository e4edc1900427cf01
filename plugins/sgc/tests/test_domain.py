"""Which pictures SGC says it was not made for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

import codectk
from codectk.base.errors import DomainError, DomainWarning
from codectk_sgc.encoder.analysis import BUSY, reduced, unsaid


def text(size: int) -> np.ndarray:
    image = Image.new("RGB", (384, 256), "white")
    for row in range(0, 256, size + 4):
        line = "The quick brown fox jumps over the lazy dog while 1234567890 files wait. " * 3
        ImageDraw.Draw(image).text((4 - row, row), line, fill="black", font=ImageFont.load_default(size))
    return np.asarray(image)


def measure(pixels: np.ndarray) -> float:
    return unsaid(reduced(torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255))


@pytest.mark.parametrize("size", [9, 12, 16])
def test_text_is_no_scene(size: int) -> None:
    assert measure(text(size)) > BUSY


def test_patterns_and_noise_are_none() -> None:
    y, x = np.mgrid[:256, :384]
    for side in (1, 2, 8):
        assert measure(np.repeat((255 * ((x // side + y // side) % 2)).astype(np.uint8)[..., None], 3, 2)) > BUSY
    assert measure(np.random.default_rng(0).integers(0, 256, (256, 384, 3), dtype=np.uint8)) > BUSY


def test_flat_and_smooth_pictures_and_photos_are_not_remarked_on() -> None:
    slope = np.linspace(0, 255, 256).astype(np.uint8)[:, None, None]
    for pixels in (np.full((256, 384, 3), 127, np.uint8), np.tile(slope, (1, 384, 3))):
        assert measure(pixels) < 0.5 * BUSY


def test_the_encoder_says_so_and_refuses_where_asked() -> None:
    with pytest.warns(DomainWarning, match=r"outdoor scenes that codec 'sgc' paints"):
        codectk.encode(text(12), codec="sgc")
    with pytest.raises(DomainError, match="neither labels nor colors say"):
        codectk.encode(text(12), codec="sgc", strict_domain=True)
