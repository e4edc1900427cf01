"""Probability tables of color levels around a prediction: bell curves of many widths, in integers only.

A curve is four parts of a logistic distribution and one part of another that is MORE times as wide. Decay from one grid
point to the next is a ratio of whole numbers, so every machine makes the same tables.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from codectk.coding.tables import Tables
from codectk_sgc.wavefront import IntArray

PHASES = 8
"""Grid points per level: predictions are in eighths."""

WIDTHS = 36
GROWTH = (6, 5)
"""Every width is 6/5 of the one before."""

FIRST = 32 << 8
"""Decay of the narrowest curve, see `decays`."""

MORE = 6
"""How many widths wider the second part of a curve is."""

SPAN = 64
"""Levels away from the prediction that the tables hold; others are escaped."""

_BITS = 40


def decays() -> IntArray:
    """Numbers a of all widths, those of the wider parts included; over one grid point odds fall by a / (a + 2**16).

    The scale of the logistic is 1 / ln(1 + 2**16 / a) grid points: about a / 2**16 + 1/2.
    """
    found = [FIRST]
    while len(found) < WIDTHS + MORE:
        found.append(found[-1] * GROWTH[0] // GROWTH[1])
    return np.array(found, np.int64)


def _cumulative(points: int) -> IntArray:
    """Probability above 0, 1, .. grid points for each width, int64 (points, WIDTHS + MORE), unit 2**-20."""
    a = decays()
    odds = np.full(a.shape, 1 << _BITS, np.int64)
    rows = np.empty((points, len(a)), np.int64)
    for row in rows:
        row[:] = (odds << 20) // ((1 << _BITS) + odds)
        odds = odds // (a + (1 << 16)) * a + odds % (a + (1 << 16)) * a // (a + (1 << 16))
    return rows


@cache
def color_tables() -> Tables:
    """WIDTHS * PHASES tables of the levels -SPAN..SPAN around the whole part of a prediction, widths outermost."""
    half = PHASES // 2
    above = _cumulative((SPAN + 2) * PHASES)
    points = len(above)
    # Probability below a grid point, by symmetry; the unit is 2**-20.
    below = np.concatenate([above[::-1], (1 << 20) - above[1:]])
    below = 4 * below[:, :WIDTHS] + below[:, MORE:]
    counts = []
    for width in range(WIDTHS):
        for phase in range(PHASES):
            edges = points - 1 - phase + PHASES * np.arange(-SPAN, SPAN + 2) - half
            counts.append(np.append(np.diff(below[edges, width]), 0))
    return Tables.from_counts(counts, np.full(len(counts), -SPAN))
