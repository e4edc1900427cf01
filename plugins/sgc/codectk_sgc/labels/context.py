"""What is known about a cell before it is coded: labels around it, candidates for its own, a network's inputs."""

from __future__ import annotations

from math import isqrt

import numpy as np

from codectk_sgc.wavefront import NEIGHBORS, IntArray

CANDIDATES = 3
"""Labels of neighbors that a cell is compared with, one after the other, before its label is named."""

NONE = -2
"""A candidate that does not exist; no cell and no border has this value."""

FEATURES = (CANDIDATES * len(NEIGHBORS)) + 4 + 1

PATTERNS = 8
"""How many patterns `patterns` tells apart."""

_BORDERS = [0, 1, 2, 5]  # W, N, NE, NN
_PATTERN = [1, 2, 3]  # N, NE, NW


def candidates(near: IntArray) -> IntArray:
    """The first labels among the neighbors that differ from each other.

    Args:
        near: labels of the neighbors or OUTSIDE, int64 (n, K).

    Returns:
        int64 (n, CANDIDATES), the nearest first, NONE where there are no more.
    """
    rows = np.arange(len(near))
    left = near >= 0
    found = np.empty((len(near), CANDIDATES), np.int64)
    for number in range(CANDIDATES):
        at = left.argmax(axis=1)
        label = np.where(left[rows, at], near[rows, at], NONE)
        found[:, number] = label
        left &= near != label[:, None]
    return found


def features(near: IntArray, labels: IntArray, restless: int | IntArray) -> IntArray:
    """Inputs of the network: which neighbors have which candidate's label, borders, and how restless the map is.

    Args:
        near: labels of the neighbors, int64 (n, K).
        labels: candidates, int64 (n, CANDIDATES).
        restless: see `restlessness`, one number or int64 (n,).

    Returns:
        int64 (n, FEATURES).
    """
    count, neighbors = near.shape
    result = np.empty((count, FEATURES), np.int64)
    split = CANDIDATES * neighbors
    result[:, :split] = (near[:, None, :] == labels[:, :, None]).reshape(count, split)
    result[:, split:-1] = near[:, _BORDERS] < 0
    result[:, -1] = restless
    return result


def restlessness(misses: int, cells: int) -> int:
    """Root of the share of cells so far that did not have their first candidate's label, 0..256; starts at 99."""
    share = ((misses + 3) << 16) // (cells + 20)
    return isqrt(share)


def patterns(near: IntArray, label: IntArray) -> IntArray:
    """Which of N, NE and NW have the candidate's label, 0..PATTERNS-1; int64 (n,)."""
    found: IntArray = (near[:, _PATTERN] == label[:, None]) @ np.array([1, 2, 4], np.int64)
    return found
