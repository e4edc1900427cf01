"""Color maps as levels: Y in 64 of them, Cb and Cr in steps of 8 around grey.

At the start of SGC's diffusion a color map keeps an eighth of its amplitude; finer levels would drown in noise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LEVELS = (64, 32, 32)
"""Levels of Y, Cb, Cr."""

GREY = (32, 16, 16)
"""Mid grey; of Cb and Cr exactly no color."""

_STEPS = np.array([1 / 63, 8 / 255, 8 / 255])
_ZEROS = np.array([0, 16, 16])
_FORWARD = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]])
_INVERSE = np.linalg.inv(_FORWARD)


def quantize(colors: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """RGB in [0, 1], (..., 3), to levels of JPEG's Y, Cb, Cr."""
    levels = np.rint(np.asarray(colors, np.float64) @ _FORWARD.T / _STEPS) + _ZEROS
    coded: npt.NDArray[np.uint8] = np.clip(levels, 0, np.array(LEVELS) - 1).astype(np.uint8)
    return coded


def restore(levels: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """Levels (..., 3) to RGB float32 in [0, 1]."""
    rgb: npt.NDArray[np.float64] = (np.asarray(levels, np.float64) - _ZEROS) * _STEPS @ _INVERSE.T
    return np.clip(rgb, 0, 1).astype(np.float32)


def planes(levels: npt.NDArray[np.integer]) -> npt.NDArray[np.float32]:
    """Levels (h, w, 3) to RGB float32 (1, 3, h, w) in [0, 1]."""
    return np.ascontiguousarray(restore(levels).transpose(2, 0, 1)[None])
