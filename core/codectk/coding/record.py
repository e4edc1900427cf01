"""What an encoder records of a program: its calls in order, layer by layer, and the digest of what they code.

The symbols of one call are coded sorted by table, otherwise as they came. The digest is 24 bits that differ when
encoder and decoder lost step.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from codectk.base.errors import ContractError
from codectk.coding.ans import MAX_BITS_PER_CALL, AnsStack
from codectk.coding.boundary import Index, Symbols
from codectk.coding.escape import push_codes
from codectk.coding.tables import Tables

_T = TypeVar("_T", bound=np.generic)

DIGEST_BYTES = 3
"""What the digest takes in a payload; no payload is shorter."""


class Digest:
    """Low 24 bits of a CRC-32 over table indices, symbols and raw values in coding order."""

    def __init__(self) -> None:
        self._crc = 0

    def add_symbols(self, index: npt.NDArray[np.unsignedinteger], symbols: npt.NDArray[np.int32]) -> None:
        """Add one `code` call.

        Args:
            index: uint8 or uint16, any shape, C-contiguous.
            symbols: int32, same shape, C-contiguous.
        """
        self._crc = zlib.crc32(index.astype(index.dtype.newbyteorder("<"), copy=False).data, self._crc)
        self._crc = zlib.crc32(symbols.astype("<i4", copy=False).data, self._crc)

    def add_raw(self, value: int) -> None:
        """Add one `raw` call's value (0..2**32-1)."""
        self._crc = zlib.crc32(value.to_bytes(4, "little"), self._crc)

    def to_bytes(self) -> bytes:
        """The digest as it lies at the bottom of the stack: 0..3 bytes, little-endian, no zero byte at the end."""
        return (self._crc & 0xFFFFFF).to_bytes(DIGEST_BYTES, "little").rstrip(b"\0")


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

    @property
    def spans(self) -> list[tuple[int, int, int]]:
        """Tables in ascending order, as (table, start, stop) in coding order."""
        stops = np.cumsum(self.counts)
        return list(zip(self.used.tolist(), (stops - self.counts).tolist(), stops.tolist(), strict=True))

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


@dataclass(frozen=True, slots=True)
class SymbolCall:
    """One `code` call in coding order: entries (n,) of the tables, and codes of those that are escapes."""

    tables: Tables
    groups: Groups
    entries: Symbols
    codes: npt.NDArray[np.int64]

    def push(self, stack: AnsStack) -> None:
        if self.codes.size:
            push_codes(stack, self.codes)
        for table, start, stop in reversed(self.groups.spans):
            stack.push(self.entries[start:stop], self.tables.model(table))


@dataclass(frozen=True, slots=True)
class RawCall:
    """One `raw` call."""

    value: int
    bits: int

    def push(self, stack: AnsStack) -> None:
        for shift, width in reversed(raw_parts(self.bits)):
            part = self.value >> shift & ((1 << width) - 1)
            stack.push_bits(np.array([part], dtype=np.int32), np.array([width], dtype=np.int32))


def raw_parts(bits: int) -> list[tuple[int, int]]:
    """(shift, width) of the parts of a raw value in reading order, low part first."""
    return [(shift, min(bits - shift, MAX_BITS_PER_CALL)) for shift in range(0, bits, MAX_BITS_PER_CALL)]


class Record:
    """The calls of one layer."""

    def __init__(self) -> None:
        self.calls: list[SymbolCall | RawCall] = []
        self.digest = Digest()

    def payload(self) -> bytes:
        """The bytes of the layer, 3 or more."""
        # An empty stack wastes most of 24 bits on its first symbol. Started from the digest, it wastes nothing.
        stack = AnsStack(self.digest.to_bytes())
        for call in reversed(self.calls):
            call.push(stack)
        return stack.to_bytes().ljust(DIGEST_BYTES, b"\0")


class Layers:
    """Knows whether the program has ended."""

    def __init__(self) -> None:
        self._ended = False

    def check_open(self) -> None:
        """Raise ContractError if it has."""
        if self._ended:
            raise ContractError("nothing can be coded after the last layer")

    def another(self, more: bool | None) -> bool:
        """Begin another layer or end the program; returns `more`."""
        self.check_open()
        if not isinstance(more, bool):
            raise ContractError(f"whether there is another layer is said by a bool, not {type(more).__name__}")
        self._ended = not more
        return more
