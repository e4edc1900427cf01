"""The symbol coder in its NumPy readings: Encoder writes, Decoder reads, Meter counts bits.

Encoder  code/raw calls --checked, grouped--> record --reversed--> ANS stack on top of the digest --> bytes
Decoder  bytes --> ANS stack --code/raw calls--> symbols; what is left must be their digest
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from codectk.base.errors import BitstreamError, ContractError, ParameterMismatchError, TruncatedError
from codectk.coding.ans import MAX_BITS_PER_CALL, AnsStack
from codectk.coding.boundary import MAX_SYMBOL, Symbols, as_index, as_raw, as_symbols, as_width
from codectk.coding.digest import DIGEST_BYTES, Digest
from codectk.coding.escape import from_codes, pop_codes, push_codes, to_codes
from codectk.coding.groups import Groups
from codectk.coding.tables import Tables

LOST_STEP = (
    "the entropy decoder lost step: the file was made with other weights, another version of the plugin, "
    "or is a non-portable file from another device"
)


def _check_tables(tables: Any) -> Tables:
    if not isinstance(tables, Tables):
        raise ContractError(f"tables must be codectk.coding.tables.Tables, not {type(tables).__name__}")
    return tables


@dataclass(frozen=True, slots=True)
class _SymbolCall:
    """One `code` call in coding order: entries (n,) of the tables, and codes of those that are escapes."""

    tables: Tables
    groups: Groups
    entries: Symbols
    codes: npt.NDArray[np.int64]

    def push(self, stack: AnsStack) -> None:
        if self.codes.size:
            push_codes(stack, self.codes)
        for table, start, stop in reversed(list(self.groups)):
            stack.push(self.entries[start:stop], self.tables.model(table))


@dataclass(frozen=True, slots=True)
class _RawCall:
    """One `raw` call."""

    value: int
    bits: int

    def push(self, stack: AnsStack) -> None:
        for shift, width in reversed(_raw_parts(self.bits)):
            part = self.value >> shift & ((1 << width) - 1)
            stack.push_bits(np.array([part], dtype=np.int32), np.array([width], dtype=np.int32))


def _raw_parts(bits: int) -> list[tuple[int, int]]:
    """(shift, width) of the parts of a raw value in reading order, low part first."""
    return [(shift, min(bits - shift, MAX_BITS_PER_CALL)) for shift in range(0, bits, MAX_BITS_PER_CALL)]


class Encoder:
    """Records calls and turns them into a payload. A `SymbolCoder`."""

    def __init__(self) -> None:
        self._calls: list[_SymbolCall | _RawCall] = []
        self._digest = Digest()

    def code(self, index: Any, symbols: Any | None, tables: Any) -> Symbols:
        """Encode one array of symbols.

        Args:
            index: integers 0..T-1, table per symbol, broadcastable to the symbols' shape.
            symbols: integers, any shape, magnitude <= 2**30. Symbols outside their table are escaped.
            tables: the `Tables` that `index` points into.

        Returns:
            The symbols as int32, same shape.

        Raises:
            ContractError: an argument is not of that form.
        """
        known = _check_tables(tables)
        if symbols is None:
            raise ContractError("an encoder needs symbols to encode")
        values = as_symbols(symbols)
        rows = as_index(index, len(known), values.shape)
        self._digest.add_symbols(rows, values)
        groups = Groups(rows.ravel())
        offsets = groups.spread(known.offsets)
        escapes = groups.spread(known.escapes)
        entries = groups.sort(values.ravel())
        entries -= offsets
        # Seen as unsigned, an entry below 0 is a large one: one comparison finds both sides.
        outside = np.flatnonzero(entries.view(np.uint32) >= escapes.view(np.uint32))
        first = offsets[outside].astype(np.int64)
        codes = to_codes(first + entries[outside], first, first + escapes[outside] - 1)
        entries[outside] = escapes[outside]
        self._calls.append(_SymbolCall(known, groups, entries, codes))
        return values

    def raw(self, value: int | None, bits: int) -> int:
        """Encode an unsigned integer of `bits` bits (1..32) without a model, and return it.

        Raises:
            ContractError: the value does not fit in `bits` bits, or `bits` is out of range.
        """
        if value is None:
            raise ContractError("an encoder needs a value to encode")
        number, width = as_raw(value, bits)
        self._digest.add_raw(number)
        self._calls.append(_RawCall(number, width))
        return number

    def finish(self) -> bytes:
        """The payload of all calls so far, 3 bytes or more. More calls and another `finish` may follow."""
        # An empty stack wastes most of 24 bits on its first symbol. Started from the digest, it wastes nothing.
        stack = AnsStack(self._digest.to_bytes())
        for call in reversed(self._calls):
            call.push(stack)
        return stack.to_bytes().ljust(DIGEST_BYTES, b"\0")


class Decoder:
    """Reads a payload by the same calls that wrote it. A `SymbolCoder`.

    Symbols are not to be trusted before `finish` has returned.

    Args:
        payload: bytes from `Encoder.finish`.

    Raises:
        TruncatedError: the payload is shorter than 3 bytes.
        BitstreamError: the payload cannot come from an encoder.
    """

    def __init__(self, payload: bytes) -> None:
        data = bytes(payload)
        if len(data) < DIGEST_BYTES:
            raise TruncatedError("the entropy-coded payload is shorter than its digest", chunk="LATS")
        self._stack = AnsStack(data if len(data) > DIGEST_BYTES else data.rstrip(b"\0"))
        self._digest = Digest()

    def code(self, index: Any, symbols: Any | None, tables: Any) -> Symbols:
        """Decode one array of symbols.

        Args:
            index: integers 0..T-1, table per symbol, with the symbols' full shape.
            symbols: None.
            tables: the `Tables` that `index` points into.

        Returns:
            int32, the index's shape.

        Raises:
            ContractError: an argument is not of that form.
            ParameterMismatchError: an index is beyond the tables, so it was derived from wrong symbols.
            BitstreamError: a decoded symbol is beyond the coder's limit.
        """
        known = _check_tables(tables)
        if symbols is not None:
            raise ContractError("a decoder takes no symbols")
        rows = as_index(index, len(known), None, out_of_range=ParameterMismatchError)
        groups = Groups(rows.ravel())
        entries = np.empty(rows.size, dtype=np.int32)
        for table, start, stop in groups:
            entries[start:stop] = self._stack.pop(stop - start, known.model(table))
        escapes = groups.spread(known.escapes)
        offsets = groups.spread(known.offsets)
        outside = np.flatnonzero(entries == escapes)
        entries += offsets
        if outside.size:
            first = offsets[outside].astype(np.int64)
            decoded = from_codes(pop_codes(self._stack, outside.size), first, first + escapes[outside] - 1)
            if np.abs(decoded).max() > MAX_SYMBOL:
                raise BitstreamError("a decoded symbol is beyond the coder's limit of 2**30", chunk="LATS")
            entries[outside] = decoded
        values = groups.unsort(entries).reshape(rows.shape)
        self._digest.add_symbols(rows, values)
        return values

    def raw(self, value: int | None, bits: int) -> int:
        """Decode an unsigned integer of `bits` bits (1..32); `value` is None.

        Raises:
            ContractError: a value is given, or `bits` is out of range.
        """
        if value is not None:
            raise ContractError("a decoder takes no value")
        number = 0
        for shift, width in _raw_parts(as_width(bits)):
            number |= int(self._stack.pop_bits(np.array([width], dtype=np.int32))[0]) << shift
        self._digest.add_raw(number)
        return number

    def finish(self) -> None:
        """Check that what was decoded is what was encoded.

        Raises:
            ParameterMismatchError: what is left of the payload is not the digest of what was read.
        """
        if self._stack.to_bytes() != self._digest.to_bytes():
            raise ParameterMismatchError(LOST_STEP)


class Meter:
    """Counts the bits that an Encoder would write, without writing. A `SymbolCoder` for NumPy arrays.

    Attributes:
        bits: bits counted so far; the digest's 24 and the filling of the last byte are not in it.
    """

    def __init__(self) -> None:
        self.bits = 0.0

    def code(self, index: Any, symbols: Any | None, tables: Any) -> Symbols:
        """Count one array of symbols; arguments and errors as in `Encoder.code`."""
        known = _check_tables(tables)
        if symbols is None:
            raise ContractError("a meter needs symbols to count")
        values = as_symbols(symbols)
        self.bits += known.bits(index, values)
        return values

    def raw(self, value: int | None, bits: int) -> int:
        """Count a raw value; arguments and errors as in `Encoder.raw`."""
        if value is None:
            raise ContractError("a meter needs a value to count")
        number, width = as_raw(value, bits)
        self.bits += width
        return number
