"""Pictures for tests, the same on every machine."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def scene(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """A picture with what photos have: slow gradients, hard edges, texture and a little noise.

    Args:
        height, width: size in pixels, at least 1.
        seed: another number, another picture.

    Returns:
        uint8 (height, width, 3) RGB.
    """
    rng = np.random.default_rng([seed, height, width])
    y, x = np.mgrid[:height, :width].astype(np.float64)
    slope = rng.uniform(-1, 1, (2, 3)) * 90 / max(height, width)
    pixels = rng.uniform(70, 180, 3) + y[..., None] * slope[0] + x[..., None] * slope[1]
    for _ in range(4):
        cy, cx = rng.uniform(0, height), rng.uniform(0, width)
        ry, rx = rng.uniform(0.1, 0.4, 2) * max(height, width, 8)
        pixels[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1] += rng.uniform(-60, 60, 3)
    frequency = rng.uniform(0.2, 0.9, 2)
    pixels += (12 * np.sin(frequency[0] * x + frequency[1] * y))[..., None]
    pixels += rng.normal(0, 2, pixels.shape)
    rounded: NDArray[np.uint8] = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return rounded


def grey_scene(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    """The same as one luminance channel, uint8 (height, width)."""
    return scene(height, width, seed)[..., 1].copy()


def alpha_ramp(height: int, width: int) -> NDArray[np.uint8]:
    """An alpha plane that is nowhere constant for long, uint8 (height, width)."""
    y, x = np.mgrid[:height, :width]
    ramp: NDArray[np.uint8] = ((y * 7 + x * 3) % 256).astype(np.uint8)
    return ramp
