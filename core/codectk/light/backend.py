"""Pixels for graphs."""

from __future__ import annotations

from typing import Any

import numpy as np

from codectk.base.errors import UsageError
from codectk.spec.stages import NumpyBackend


class ChannelsFirst(NumpyBackend):
    """Pixels float32 (H, W, 3) <-> float32 (1, 3, H, W)."""

    def from_pixels(self, pixels: np.ndarray) -> Any:
        return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None], np.float32)

    def to_pixels(self, x: Any) -> np.ndarray:
        pixels: np.ndarray = x[0].transpose(1, 2, 0)
        return pixels

    def meter(self) -> Any:
        raise UsageError("Graphs have no gradients; load the codec with engine='torch'.")
