"""What is known about a color sample before it is coded: samples around it as numbers for a network."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from codectk_sgc.wavefront import NEIGHBORS, IntArray

SAME = NEIGHBORS[:12]
"""Neighbors in the plane itself, on earlier lines."""

AROUND = ((0, 0), (0, -1), (-1, 0), (-1, 1), (-1, -1), (0, 1), (1, 0), (1, 1), (1, -1))
"""A sample and its neighbors in a plane that was coded before, on all sides."""

_OWN = len(SAME) + 6 + 4 + 1
_OTHER = 2 * (len(AROUND) - 1) + 1

FEATURES = (_OWN, _OWN + _OTHER, _OWN + 2 * _OTHER)
"""Numbers for a sample of Y, of Cb and of Cr."""

_SAME_ROW = np.array([down == 0 for down, _ in SAME])


def filled(near: IntArray, start: int) -> IntArray:
    """Neighbors with values for those outside the map, from the closest one inside.

    Args:
        near: levels of the SAME neighbors or OUTSIDE, int64 (n, K).
        start: the level where all are outside.
    """
    inside = near >= 0
    west = np.where(inside[:, 0], near[:, 0], np.where(inside[:, 1], near[:, 1], start))
    north = np.where(inside[:, 1], near[:, 1], west)
    return np.where(inside, near, np.where(_SAME_ROW, west[:, None], north[:, None]))


def predicted(near: IntArray) -> IntArray:
    """W + N - NW, but not beyond W and N; int64 (n,)."""
    west, north, corner = near[:, 0], near[:, 1], near[:, 3]
    found: IntArray = np.clip(west + north - corner, np.minimum(west, north), np.maximum(west, north))
    return found


def features(raw: IntArray, near: IntArray, base: IntArray, start: int, earlier: Sequence[IntArray]) -> IntArray:
    """Inputs of the network.

    Args:
        raw: neighbors with OUTSIDE, int64 (n, K).
        near: the same, filled.
        base: what `predicted` says, int64 (n,).
        start: level of grey in this plane.
        earlier: AROUND of each plane that was coded before, int64 (n, 9).

    Returns:
        int64 (n, FEATURES[len(earlier)]).
    """
    away = near - base[:, None]
    parts = [away, np.abs(away[:, :6]), (raw[:, :4] < 0).astype(np.int64), (base - start)[:, None]]
    for plane in earlier:
        slopes = plane[:, 1:] - plane[:, :1]
        parts += [slopes, np.abs(slopes), plane[:, :1]]
    return np.concatenate(parts, axis=1)
