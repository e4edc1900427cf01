"""A picture to its colors and back.

palette  int32 (P, 3)  8-bit RGB, all different, sorted; P = 1..4096
indexes  int32 (H, W)  0..P-1
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from codectk.base.types import Context
from codectk.spec.stages import LatentSpec

LATENTS: tuple[LatentSpec, ...] = (LatentSpec("palette", None, None, "bytes"), LatentSpec("indexes", 1, 1, "labels"))

MAX_COLORS = 4096
"""Largest palette; a picture with more colors is reduced to MAX_REDUCED of them."""

MAX_REDUCED = 256

_WEIGHTS = np.array([1 << 16, 1 << 8, 1])


def colors_of(quality: float) -> int:
    """How many colors a picture may keep: 2 at quality 0, 256 just below 100, and at 100 all of them."""
    return MAX_COLORS if quality >= 100 else round(2 ** (1 + 7 * quality / 100))


class PaletteAnalysis:
    """float32 (H, W, 3) in [0, 1] to palette and indexes. Pixels are counted once for all qualities."""

    produces = LATENTS

    def __call__(self, x: np.ndarray, condition: None, ctx: Context) -> Mapping[str, np.ndarray]:
        return self.finish(self.prepare(x, condition, ctx), ctx)

    def prepare(self, x: np.ndarray, condition: None, ctx: Context) -> tuple[np.ndarray, Mapping[str, np.ndarray]]:
        """The pixels as uint8, and their palette whatever its size."""
        pixels = np.rint(x * 255).astype(np.uint8)
        return pixels, _count(pixels)

    def finish(self, prepared: tuple[np.ndarray, Mapping[str, np.ndarray]], ctx: Context) -> Mapping[str, np.ndarray]:
        pixels, exact = prepared
        limit = colors_of(ctx.knobs["quality"])
        if len(exact["palette"]) <= limit:
            return exact
        return _count(_reduce(pixels, min(limit, MAX_REDUCED)))


class PaletteSynthesis:
    """Palette and indexes to float32 (H, W, 3)."""

    needs = LATENTS

    def __call__(self, latents: Mapping[str, Any], ctx: Context) -> np.ndarray:
        return (latents["palette"].astype(np.float32) / np.float32(255))[latents["indexes"]]


def _count(pixels: np.ndarray) -> Mapping[str, np.ndarray]:
    numbers, indexes = np.unique(pixels.reshape(-1, 3) @ _WEIGHTS, return_inverse=True)
    palette = (numbers[:, None] // _WEIGHTS % 256).astype(np.int32)
    return {"palette": palette, "indexes": indexes.reshape(pixels.shape[:2]).astype(np.int32)}


def _reduce(pixels: np.ndarray, colors: int) -> np.ndarray:
    """The picture in at most so many colors, each the mean of the pixels it stands for."""
    reduced = Image.fromarray(pixels).quantize(
        colors, method=Image.Quantize.MEDIANCUT, kmeans=1, dither=Image.Dither.NONE
    )
    return np.asarray(reduced.convert("RGB"))
