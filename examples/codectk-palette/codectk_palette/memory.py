"""What followed each neighborhood when it was last seen: letters and icons repeat."""

from __future__ import annotations

import numpy as np

CONFIDENCES = 4
"""0: nothing remembered, or wrong last time; 3: right three times in a row or more."""

NOTHING = -1
"""The color of a place that was never stored; no pixel has it."""

_BITS = 16
_FACTORS = (0x9E3779B1, 0x85EBCA77, 0xC2B2AE3D, 0x27D4EB2F, 0x165667B1, 0x2545F491, 0x5851F42D, 0x14057B7F)


class Memory:
    """A table of 2**16 places, each with the color seen last and how often in a row it was foreseen."""

    def __init__(self) -> None:
        self._colors = np.full(1 << _BITS, NOTHING, np.int32)
        self._confidence = np.zeros(1 << _BITS, np.intp)

    def places(self, near: list[np.ndarray]) -> np.ndarray:
        """The places of n neighborhoods; two that differ rarely share one."""
        mixed = np.zeros(near[0].shape, np.uint64)
        for factor, neighbor in zip(_FACTORS, near, strict=True):
            mixed = (mixed + neighbor.astype(np.uint64)) * np.uint64(factor)
            mixed ^= mixed >> np.uint64(29)
        return (mixed >> np.uint64(40)).astype(np.intp) & ((1 << _BITS) - 1)

    def recall(self, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Remembered colors, int32 (n,), NOTHING where there are none, and confidences 0..3."""
        return self._colors[places], self._confidence[places]

    def store(self, places: np.ndarray, colors: np.ndarray) -> None:
        """Remember the colors that did follow; of several for one place, the last."""
        right = self._colors[places] == colors
        self._confidence[places] = np.where(right, np.minimum(self._confidence[places] + 1, CONFIDENCES - 1), 0)
        self._colors[places] = colors
