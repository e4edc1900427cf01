"""The order in which the symbols of one call are coded: sorted by table, otherwise as they came."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from codectk.coding.boundary import Index

_T = TypeVar("_T", bound=np.generic)


class Groups:
    """Symbols grouped by table, so that each table costs one call of the coder.

    Args:
        index: uint8 or uint16 (n,), table per symbol.
    """

    def __init__(self, index: Index) -> None:
        counts = np.bincount(index) if index.size else np.zeros(0, dtype=np.int64)
        self.used: npt.NDArray[np.int64] = np.flatnonzero(counts)
        self.counts: npt.NDArray[np.int64] = counts[self.used]
        # Sorting 8- and 16-bit keys stably is a radix sort in NumPy: linear time.
        self._order = np.argsort(index, kind="stable") if self.used.size > 1 else None

    def __iter__(self) -> Iterator[tuple[int, int, int]]:
        """Tables in ascending order, as (table, start, stop) in coding order."""
        start = 0
        for table, count in zip(self.used.tolist(), self.counts.tolist(), strict=True):
            yield table, start, start + count
            start += count

    def spread(self, per_table: npt.NDArray[_T]) -> npt.NDArray[_T]:
        """Values per table (T,) to values per symbol (n,) in coding order."""
        return np.repeat(per_table[self.used], self.counts)

    def sort(self, values: npt.NDArray[_T]) -> npt.NDArray[_T]:
        """Values (n,) in the caller's order to a new array in coding order."""
        return values.copy() if self._order is None else values[self._order]

    def unsort(self, values: npt.NDArray[_T]) -> npt.NDArray[_T]:
        """The inverse of `sort`; may return `values` itself."""
        if self._order is None:
            return values
        result = np.empty_like(values)
        result[self._order] = values
        return result
