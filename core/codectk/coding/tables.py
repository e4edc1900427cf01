"""Probability tables as integers: made once, stored with the weights, never computed while coding."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from codectk.base.errors import ContractError, WeightsError
from codectk.coding.ans import FREQUENCY_BITS, build_model
from codectk.coding.boundary import as_index, as_symbols
from codectk.coding.escape import code_bits, to_codes
from codectk.coding.normalize import TOTAL, normalize

MAX_TABLES = 1 << 16
MAX_OFFSET = 1 << 20
"""Largest magnitude of a table's first symbol."""

IntArray = npt.NDArray[np.int32]


def _int32(array: Any, name: str, ndim: int) -> IntArray:
    values = np.asarray(array)
    if values.dtype.kind not in "iu" or values.ndim != ndim:
        raise WeightsError(f"the coding tables' {name} must be integers with {ndim} dimension(s)")
    if values.size and not (int(values.min()) >= -(2**31) and int(values.max()) < 2**31):
        raise WeightsError(f"the coding tables' {name} do not fit in 32 bits")
    return np.array(values, dtype=np.int32, order="C")


class Tables:
    """An immutable set of T probability tables.

    Table t codes the symbols `offsets[t] .. offsets[t] + sizes[t] - 2` with the probabilities
    `frequencies[t, i] / 2**16`; its last entry, `sizes[t] - 1`, announces a symbol outside that range.

    Args:
        frequencies: integers (T, L), row t holds sizes[t] entries >= 1 that sum to 2**16, then zeros.
        sizes: integers (T,), entries per table with the escape, 2..L.
        offsets: integers (T,), first symbol of each table, magnitude <= 2**20.

    Raises:
        WeightsError: the arrays are not such tables.
    """

    def __init__(self, frequencies: Any, sizes: Any, offsets: Any) -> None:
        freqs = _int32(frequencies, "frequencies", 2)
        self.sizes: IntArray = _int32(sizes, "sizes", 1)
        self.offsets: IntArray = _int32(offsets, "offsets", 1)
        if not 1 <= len(freqs) <= MAX_TABLES or not len(freqs) == len(self.sizes) == len(self.offsets):
            raise WeightsError("the coding tables' frequencies, sizes and offsets do not have the same number of rows")
        if self.sizes.min() < 2 or self.sizes.max() > freqs.shape[1]:
            raise WeightsError("a coding table's size is outside its row of frequencies")
        if self.offsets.min() < -MAX_OFFSET or self.offsets.max() > MAX_OFFSET:
            raise WeightsError("a coding table's offset is out of range")
        inside = np.arange(freqs.shape[1]) < self.sizes[:, None]
        if not np.array_equal(freqs > 0, inside) or freqs[~inside].any():
            raise WeightsError("a coding table has a frequency below 1, or entries beyond its size")
        if (freqs.sum(axis=1, dtype=np.int64) != TOTAL).any():
            raise WeightsError(f"a coding table's frequencies do not sum to {TOTAL}")
        # Padding beyond the longest table is not content: trimmed, so that equal tables have equal digests.
        self.frequencies: IntArray = np.ascontiguousarray(freqs[:, : int(self.sizes.max())])
        self.escapes: IntArray = self.sizes - np.int32(1)
        for array in (self.frequencies, self.sizes, self.offsets, self.escapes):
            array.flags.writeable = False
        self._models: list[Any] = [None] * len(self)
        self._costs: npt.NDArray[np.float64] | None = None

    @classmethod
    def from_counts(cls, counts: Sequence[npt.NDArray[np.integer]], offsets: Any) -> Tables:
        """Make tables from counts.

        Args:
            counts: one integer vector per table, a count per symbol and the escape's last; see `normalize`.
            offsets: integers (T,), first symbol of each table.

        Raises:
            WeightsError: counts or offsets cannot make tables.
        """
        rows = [normalize(np.asarray(c)) for c in counts]
        sizes = np.array([row.size for row in rows], dtype=np.int32)
        frequencies = np.zeros((len(rows), int(sizes.max(initial=0))), dtype=np.int32)
        for row, values in zip(frequencies, rows, strict=True):
            row[: values.size] = values
        return cls(frequencies, sizes, offsets)

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any]) -> Tables:
        """The inverse of `to_arrays`.

        Raises:
            WeightsError: an array is missing or the arrays are not tables.
        """
        try:
            return cls(arrays["frequencies"], arrays["sizes"], arrays["offsets"])
        except KeyError as error:
            raise WeightsError(f"the coding tables lack the array {error}") from None

    def to_arrays(self) -> dict[str, IntArray]:
        """The tables as int32 arrays to store: frequencies (T, L), sizes (T,), offsets (T,)."""
        return {"frequencies": self.frequencies, "sizes": self.sizes, "offsets": self.offsets}

    def __len__(self) -> int:
        return len(self.sizes)

    def __reduce__(self) -> tuple[Any, ...]:
        # The coder's models cannot be copied or pickled; they are rebuilt when needed.
        return Tables, (self.frequencies, self.sizes, self.offsets)

    def digest(self) -> int:
        """CRC-32 of the content (0..2**32-1): equal tables have equal digests on every machine."""
        crc = 0
        for array in (self.sizes, self.offsets, self.frequencies):
            crc = zlib.crc32(array.astype("<i4", copy=False).data, crc)
        return crc

    def model(self, table: int) -> Any:
        """The coder's model of one table (0..T-1), built on first use."""
        model = self._models[table]
        if model is None:
            model = build_model(self.frequencies[table, : self.sizes[table]])
            self._models[table] = model
        return model

    def bits(self, index: Any, symbols: Any) -> float:
        """Bits that coding `symbols` takes, escapes included: the sum of -log2 of the exact coded probabilities.

        Args:
            index: integers 0..T-1, broadcastable to the symbols' shape.
            symbols: integers, any shape, magnitude <= 2**30.

        Raises:
            ContractError: index or symbols cannot be coded.
        """
        return float(self.costs(index, symbols).sum())

    def costs(self, index: Any, symbols: Any) -> npt.NDArray[np.float64]:
        """The same for each symbol, in the symbols' shape."""
        values = as_symbols(symbols).ravel()
        rows = as_index(index, len(self), np.shape(symbols)).ravel().astype(np.intp)
        if self._costs is None:
            with np.errstate(divide="ignore"):
                self._costs = FREQUENCY_BITS - np.log2(self.frequencies.astype(np.float64))
        local = values - self.offsets[rows]
        escapes = self.escapes[rows]
        outside = local.view(np.uint32) >= escapes.view(np.uint32)
        local[outside] = escapes[outside]
        bits = self._costs[rows, local]
        if outside.any():
            first = self.offsets[rows[outside]].astype(np.int64)
            last = first + escapes[outside] - 1
            bits[outside] += code_bits(to_codes(values[outside].astype(np.int64), first, last))
        shaped: npt.NDArray[np.float64] = bits.reshape(np.shape(symbols))
        return shaped


def check_tables(tables: Any) -> Tables:
    """Check that `tables` are some.

    Raises:
        ContractError: they are something else.
    """
    if not isinstance(tables, Tables):
        raise ContractError(f"tables must be codectk.coding.tables.Tables, not {type(tables).__name__}")
    return tables
