"""Labels that no neighbor has: one that occurred elsewhere in the map, or one that is new to it."""

from __future__ import annotations

import numpy as np

from codectk.coding.normalize import TOTAL
from codectk.coding.tables import Tables
from codectk.spec.stages import SymbolCoder
from codectk_sgc.wavefront import IntArray

_SHARE = 1 << 20


class Naming:
    """Codes labels by name. New ones share a part of the probability that follows how many were new so far.

    No list of the labels in a map is sent: each is named in full where it first occurs, which costs the same.

    Args:
        classes: number of labels.
    """

    def __init__(self, classes: int) -> None:
        self._classes = classes
        self._named = np.zeros(classes, np.int64)

    def code(self, coder: SymbolCoder, excluded: IntArray, labels: IntArray | None) -> IntArray:
        """Code the labels of n cells.

        Args:
            coder: encoder, decoder or meter.
            excluded: labels that a cell is known not to have, or negative, int64 (n, CANDIDATES).
            labels: int64 (n,), 0..classes-1; None decodes.

        Returns:
            int64 (n,), 0..classes-1.
        """
        tables = Tables(
            self._frequencies(excluded), np.full(len(excluded), self._classes + 1), np.zeros(len(excluded), np.int32)
        )
        named = coder.code(np.arange(len(excluded)), labels, tables).astype(np.int64)
        # Garbage may decode to no label; the digest refuses it in the end.
        coded: IntArray = np.clip(named, 0, self._classes - 1)
        np.add.at(self._named, coded, 1)
        return coded

    def _frequencies(self, excluded: IntArray) -> IntArray:
        """One row per cell: integers >= 1 that sum to TOTAL, the escape's last."""
        new = self._named == 0
        fresh = int(new.sum())
        known = self._classes - fresh
        again = int(self._named.sum()) - known
        # As many have been new as are known. Among those, each weighs by how often it was named.
        each_new = _SHARE * (2 * known + 2) // max(fresh, 1)
        each_known = _SHARE * (2 * again + 1) * (2 * self._named - 1) // max(2 * again + known, 1)
        rows: IntArray = np.repeat(np.where(new, each_new, each_known)[None], len(excluded), axis=0)
        cell, which = np.nonzero(excluded >= 0)
        rows[cell, excluded[cell, which]] = 0
        room = TOTAL - self._classes - 1
        rows = rows * room // np.maximum(rows.sum(axis=1, keepdims=True), 1) + 1
        rows[np.arange(len(rows)), rows.argmax(axis=1)] += TOTAL - 1 - rows.sum(axis=1)
        return np.concatenate([rows, np.ones((len(rows), 1), np.int64)], axis=1)
