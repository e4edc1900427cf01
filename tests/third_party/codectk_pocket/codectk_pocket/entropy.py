"""The coding program: integers only, so every machine sees the same contexts.

A plane of blocks is coded diagonal by diagonal of the frequency square. The table of a coefficient follows from its
diagonal and from the magnitudes of its neighbors on earlier diagonals of the same block; for the lowest ones the
differences between the means of adjacent blocks stand in. Means are coded first, as differences to the left.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources

import numpy as np

from codectk.base.types import Context
from codectk.coding.tables import Tables
from codectk.spec.stages import SymbolCoder
from codectk_pocket.transform import BLOCK, LATENTS

LEVELS = 12
"""Context levels per band; level n means a neighborhood of about 2**n sixteenths."""

BANDS = 7
"""Groups of diagonals: the mean, then diagonals 1, 2, 3-4, 5-6, 7-9, 10-14."""

REACH = 64
"""Largest magnitude that a table codes without the escape."""

_BAND_OF_DIAGONAL = (0, 1, 2, 3, 3, 4, 4, 5, 5, 5, 6, 6, 6, 6, 6)
_DIAGONAL = np.add.outer(np.arange(BLOCK), np.arange(BLOCK)).ravel()
_MEMBERS = tuple(np.flatnonzero(d == _DIAGONAL) for d in range(2 * BLOCK - 1))
_THRESHOLDS = 1 << np.arange(LEVELS - 1)


def _weights(diagonal: int) -> np.ndarray:
    """int64 (members, 64): how much each earlier coefficient says about each member, sum about 16 per member."""
    v, u = np.divmod(np.arange(BLOCK * BLOCK), BLOCK)
    members = _MEMBERS[diagonal]
    distance = np.abs(v[members, None] - v) + np.abs(u[members, None] - u)
    weights = np.where((diagonal > _DIAGONAL) & (distance <= 3), 8 >> distance, 0)
    return weights * 16 // weights.sum(axis=1, keepdims=True)


_WEIGHTS = (np.zeros((1, 64), np.int64), *(_weights(d) for d in range(1, 2 * BLOCK - 1)))


def read_tables() -> Tables:
    """The tables that ship with the package: one row of counts by magnitude, escape last, per band and level."""
    rows = json.loads(resources.files("codectk_pocket").joinpath("counts.json").read_text("ascii"))
    # A magnitude's count is shared by its two signs; doubling keeps the halves whole.
    counts = [np.array([*reversed(row[1:-1]), 2 * row[0], *row[1:-1], 2 * row[-1]]) for row in rows]
    return Tables.from_counts(counts, np.array([2 - len(row) for row in rows]))


class ContextModel:
    """Codes luma, then the two chroma planes.

    Args:
        tables: BANDS * LEVELS tables; None takes those of the package.
    """

    needs = LATENTS
    gives = LATENTS

    def __init__(self, tables: Tables | None = None) -> None:
        self.tables = read_tables() if tables is None else tables

    def code(
        self, coder: SymbolCoder, values: Mapping[str, np.ndarray] | None, ctx: Context
    ) -> Mapping[str, np.ndarray]:
        latents = {}
        for spec in LATENTS:
            assert spec.channels is not None and spec.stride is not None  # both are set in LATENTS
            shape = (BLOCK * BLOCK, ctx.height // spec.stride, ctx.width // spec.stride)
            groups = range(0, spec.channels, BLOCK * BLOCK)
            planes = [None if values is None else values[spec.name][g : g + BLOCK * BLOCK] for g in groups]
            latents[spec.name] = np.concatenate([self._plane(coder, plane, shape) for plane in planes])
        return latents

    def _plane(self, coder: SymbolCoder, values: np.ndarray | None, shape: tuple[int, int, int]) -> np.ndarray:
        """Code int32 (64, rows, columns); `values` None decodes."""
        plane = np.zeros(shape, np.int32)
        plane[0] = self._means(coder, None if values is None else values[0], shape[1:])
        magnitudes = np.zeros(shape, np.int64)
        magnitudes[0] = _roughness(plane[0]) // 4
        for diagonal in range(1, 2 * BLOCK - 1):
            members = _MEMBERS[diagonal]
            near = np.tensordot(_WEIGHTS[diagonal], magnitudes, axes=1)
            index = np.searchsorted(_THRESHOLDS, near, side="right") + _BAND_OF_DIAGONAL[diagonal] * LEVELS
            symbols = None if values is None else values[members]
            plane[members] = coder.code(index.astype(np.uint8), symbols, self.tables)
            # Garbage may decode to anything; the bound keeps the sums far from overflow and changes no context.
            magnitudes[members] = np.minimum(np.abs(plane[members]), 1 << 20)
        return plane

    def _means(self, coder: SymbolCoder, means: np.ndarray | None, shape: tuple[int, int]) -> np.ndarray:
        """Code int32 (rows, columns) as differences to the left, the first column to above."""
        steps = None
        level = None
        if means is not None:
            steps = np.diff(means, axis=1, prepend=0)
            steps[:, 0] = np.diff(means[:, 0], prepend=0)
            mean16 = int(np.abs(steps).sum(dtype=np.int64)) * 16 // steps.size
            level = min(mean16.bit_length(), LEVELS - 1)
        # Levels beyond the last come only from damaged files; the digest refuses those.
        level = min(coder.raw(level, 4), LEVELS - 1)
        steps = coder.code(np.full(shape, level, np.uint8), steps, self.tables)
        wide = steps.astype(np.int64)
        wide[:, 0] = np.cumsum(wide[:, 0])
        return np.clip(np.cumsum(wide, axis=1), -(1 << 30), 1 << 30).astype(np.int32)


def _roughness(means: np.ndarray) -> np.ndarray:
    """int64 (rows, columns): how much each mean differs from those to the left and above."""
    wide = means.astype(np.int64)
    left = np.abs(np.diff(wide, axis=1, prepend=wide[:, :1]))
    above = np.abs(np.diff(wide, axis=0, prepend=wide[:1]))
    return left + above
