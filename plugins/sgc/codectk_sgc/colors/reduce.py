"""A picture to its color map, one color per 32x32 pixels: blurred and reduced, three times."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FACTORS = (4, 4, 2)
"""Reductions one after the other, 32 in all: 512 pixels to 128, 32 and 16."""

CELL = 32
"""Pixels per cell and side."""


def color_map(pixels: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Reduce a picture; before each step it is blurred with (1, 2, 1) / 4 both ways.

    Args:
        pixels: (H, W, C), any size from 1x1; what a cell lacks at the right and bottom repeats the last pixels.

    Returns:
        float32 (ceil(H / 32), ceil(W / 32), C), within the range of `pixels`.
    """
    height, width = pixels.shape[:2]
    x = np.pad(np.asarray(pixels, np.float32), ((0, -height % CELL), (0, -width % CELL), (0, 0)), "edge")
    for factor in FACTORS:
        x = _blur(_blur(x, 0), 1)
        x = x.reshape(x.shape[0] // factor, factor, x.shape[1] // factor, factor, -1).mean(axis=(1, 3))
    return x


def _blur(x: npt.NDArray[np.float32], axis: int) -> npt.NDArray[np.float32]:
    padded = np.pad(x, [(1, 1) if axis == along else (0, 0) for along in range(3)], "edge")
    before, here, after = (padded.take(range(start, start + x.shape[axis]), axis=axis) for start in range(3))
    return (before + 2 * here + after) / np.float32(4)
