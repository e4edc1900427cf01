"""Which curve a level is coded with: the network's advice, moved by how far off its predictions were in this map."""

from __future__ import annotations

import numpy as np

from codectk_sgc.colors.tables import WIDTHS, decays
from codectk_sgc.wavefront import IntArray

FINE = 16
"""Parts of a width in which the network speaks."""

_MOVE_BITS = 8
RATE = 200
"""How far a miss twice as large as usual moves the advice, in parts of 2**-8 of a fine step."""

_USUAL = 430
"""The mean of `learn`'s measure where the advice is right, in 2**-8 of the logistic's scale."""

_LIMIT = 4 * _USUAL

_FURTHEST = 12 * FINE << _MOVE_BITS

_SCALES: IntArray = decays()[:WIDTHS] // 256 + 128
"""About the logistics' scales, in 2**-8 of a grid point."""


class Widths:
    """The advice for one plane and its correction."""

    def __init__(self) -> None:
        self._move = 0

    def choose(self, advice: IntArray) -> IntArray:
        """Advice in fine steps, int64 (n,), to widths 0..WIDTHS-1."""
        return np.clip((advice + (self._move >> _MOVE_BITS) + FINE // 2) // FINE, 0, WIDTHS - 1)

    def learn(self, width: IntArray, error: IntArray) -> None:
        """Take note of how far off predictions were, in eighths of a level, int64 (n,)."""
        measure = np.minimum((error << 16) // _SCALES[width], _LIMIT)
        move = self._move + int((measure - _USUAL).sum()) * RATE // _USUAL
        self._move = min(max(move, -_FURTHEST), _FURTHEST)
