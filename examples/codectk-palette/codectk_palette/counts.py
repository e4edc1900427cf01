"""Tables that learn while they code: counts of what both ends have seen, made into probabilities now and then.

Everything is a Python or NumPy integer, so encoder and decoder hold the same tables on every machine.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from codectk.coding.normalize import normalize
from codectk.coding.tables import Tables

SEEN = 32
"""What one observation adds to a count. What was never seen weighs less than one observation."""

FIRST = 128
"""Observations before the tables are made anew for the first time."""

LIMIT = 1 << 16
"""A row whose sum is beyond LIMIT * SEEN is halved, so that the tables follow the picture."""


class Learned:
    """Tables over symbols 0..symbols-1, one per context.

    Args:
        contexts: number of tables.
        symbols: number of symbols.
        prior: what each symbol weighs at first, integers broadcastable to (contexts, symbols), at least 1.
        shared: rows also lean on what all contexts together have seen; for many symbols and few observations.
    """

    def __init__(self, contexts: int, symbols: int, prior: np.ndarray | int, *, shared: bool = False) -> None:
        self._counts = np.zeros((contexts, symbols), np.int64)
        self._prior = np.broadcast_to(np.asarray(prior, np.int64), self._counts.shape)
        self._shared = shared
        self._seen, self._next = 0, FIRST
        self._fresh = np.zeros(contexts, bool)
        # The last entry is the escape's: it is never needed and has the least probability there is.
        self._frequencies = np.zeros((contexts, symbols + 1), np.int32)
        self._make(range(contexts))

    def learn(self, contexts: np.ndarray, symbols: np.ndarray) -> None:
        """Take note of coded symbols, both (n,); tables change when their number has grown by a third."""
        np.add.at(self._counts, (contexts, symbols), SEEN)
        self._fresh[contexts] = True
        self._seen += len(symbols)
        if self._seen < self._next:
            return
        self._next = self._seen + max(FIRST, self._seen // 3)
        self._make(np.flatnonzero(self._fresh))
        self._fresh[:] = False

    def _make(self, contexts: Iterable[int]) -> None:
        """Make new tables, in which those of `contexts` have changed."""
        common = self._common()
        for context in contexts:
            row = self._counts[context] + self._prior[context] + common
            self._frequencies[context] = normalize(np.append(row, 0))
            if self._counts[context].sum() > LIMIT * SEEN:
                self._counts[context] >>= 1
        sizes = np.full(len(self._frequencies), self._frequencies.shape[1])
        self.tables = Tables(self._frequencies, sizes, np.zeros_like(sizes))

    def _common(self) -> np.ndarray | int:
        """What every row gets on top: about two observations' worth of the statistics of the whole picture."""
        if not self._shared:
            return 0
        whole = self._counts.sum(axis=0)
        return whole * (2 * SEEN) // max(int(whole.sum()), 1)
