"""The conformance kit, and what a palette promises on top: graphics come back to the bit and smaller than as PNG."""

from __future__ import annotations

import io
from typing import ClassVar

import numpy as np
import pytest
from PIL import Image, ImageDraw

import codectk
from codectk.testing import CodecConformance


def screen(height: int, width: int) -> np.ndarray:
    """Something like a window with text and a chart, uint8 (height, width, 3)."""
    image = Image.new("RGB", (width, height), (246, 246, 248))
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 0, width, 22), fill=(38, 50, 70))
    draw.text((8, 5), "Results of all pictures", fill="white")
    words = ("codec", "rate", "picture", "table", "latent", "quality", "decoder", "stream", "synthesis", "noise")
    rng = np.random.default_rng(1)
    for line in range(32, height - 12, 12):
        draw.text((8, line), " ".join(rng.choice(words, 5)), fill=(30, 30, 30))
    for bar, color in enumerate([(200, 60, 50), (60, 140, 80), (60, 90, 180), (220, 170, 40)]):
        left, top = width // 2 + 10 + bar * width // 9, height - 20 - int(rng.integers(20, height // 2))
        draw.rectangle((left, top, left + width // 14, height - 20), fill=color)
    draw.rectangle((width // 2 + 2, 30, width - 6, height - 14), outline=(120, 120, 130))
    return np.asarray(image)


class TestPalette(CodecConformance):
    codec = "palette"
    knobs: ClassVar = {"quality": 40}  # noise in many colors is what this codec is slowest at
    sizes = 70
    examples = 5
    forgeries = 6


def test_graphics_are_kept_to_the_bit_in_fewer_bytes_than_png():
    picture = screen(160, 320)
    data = codectk.encode(picture, codec="palette")
    assert np.array_equal(np.asarray(codectk.decode(data)), picture)
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG", optimize=True)
    assert len(data) < 0.6 * len(file.getvalue())


@pytest.mark.parametrize("colors", [1, 2, 4096])
def test_up_to_4096_colors_are_exact(colors: int):
    numbers = np.random.default_rng(colors).choice(1 << 24, colors, replace=False)
    picture = (np.resize(numbers, (64, 64))[..., None] >> np.array([16, 8, 0]) & 255).astype(np.uint8)
    assert np.array_equal(np.asarray(codectk.decode(codectk.encode(picture, codec="palette"))), picture)


def test_more_colors_are_reduced_to_256():
    picture = np.arange(65 * 65 * 3, dtype=np.uint32).reshape(65, 65, 3).astype(np.uint8)
    picture[..., 0] = np.arange(65)[:, None]
    picture[..., 1] = np.arange(65)[None]
    decoded = np.asarray(codectk.decode(codectk.encode(picture, codec="palette")))
    assert 128 <= len(np.unique(decoded.reshape(-1, 3), axis=0)) <= 256


def test_a_lower_quality_leaves_a_picture_of_few_colors_alone():
    picture = np.zeros((9, 11, 3), np.uint8)
    picture[2:5] = (250, 3, 77)
    for quality in (0, 50, 100):
        data = codectk.encode(picture, codec="palette", quality=quality)
        assert np.array_equal(np.asarray(codectk.decode(data)), picture)
