"""The symbol coder in its NumPy readings: Encoder writes, Decoder reads, Meter counts bits.

Encoder  code/raw calls --checked, grouped--> record --reversed--> ANS stack on top of the digest --> bytes
Decoder  bytes --> ANS stack --code/raw calls--> symbols; what is left must be their digest

Each layer is a payload of its own, with its own digest.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from codectk.base.errors import BitstreamError, ContractError, ParameterMismatchError, TruncatedError
from codectk.coding.ans import AnsStack
from codectk.coding.boundary import MAX_SYMBOL, Symbols, as_index, as_raw, as_symbols, as_width
from codectk.coding.escape import from_codes, pop_codes, to_codes
from codectk.coding.record import DIGEST_BYTES, Digest, Groups, Layers, RawCall, Record, SymbolCall, raw_parts
from codectk.coding.tables import check_tables

LOST_STEP = (
    "the entropy decoder lost step: the file was made with other weights, another version of the plugin, "
    "or is a non-portable file from another device"
)


class Encoder:
    """Records calls and turns them into payloads. A `SymbolCoder`."""

    def __init__(self) -> None:
        self._records = [Record()]
        self._layers = Layers()

    def code(self, index: Any, symbols: Any | None, tables: Any) -> Symbols:
        """Encode one array of symbols.

        Args:
            index: integers 0..T-1, table per symbol, broadcastable to the symbols' shape.
            symbols: integers, any shape, magnitude <= 2**30. Symbols outside their table are escaped.
            tables: the `Tables` that `index` points into.

        Returns:
            The symbols as int32, same shape.

        Raises:
            ContractError: an argument is not of that form, or the last layer has ended.
        """
        self._layers.check_open()
        known = check_tables(tables)
        if symbols is None:
            raise ContractError("an encoder needs symbols to encode")
        values = as_symbols(symbols)
        rows = as_index(index, len(known), values.shape)
        record = self._records[-1]
        record.digest.add_symbols(rows, values)
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
        record.calls.append(SymbolCall(known, groups, entries, codes))
        return values

    def raw(self, value: int | None, bits: int) -> int:
        """Encode an unsigned integer of `bits` bits (1..32) without a model, and return it.

        Raises:
            ContractError: the value does not fit in `bits` bits, or `bits` is out of range.
        """
        self._layers.check_open()
        if value is None:
            raise ContractError("an encoder needs a value to encode")
        number, width = as_raw(value, bits)
        self._records[-1].digest.add_raw(number)
        self._records[-1].calls.append(RawCall(number, width))
        return number

    def layer(self, more: bool | None) -> bool:
        """Begin the next layer if `more`, else end the program; returns `more`.

        Raises:
            ContractError: `more` is None, or the last layer has ended.
        """
        if self._layers.another(more):
            self._records.append(Record())
            return True
        return False

    def finish(self) -> list[bytes]:
        """The payloads of all calls so far, one per layer, 3 bytes or more each; the base layer comes first.

        More calls and another `finish` may follow.
        """
        return [record.payload() for record in self._records]


class Decoder:
    """Reads payloads by the same calls that wrote them. A `SymbolCoder`.

    Symbols are not to be trusted before `finish` has returned.

    Args:
        payloads: from `Encoder.finish`; one or more. The first ones of a layered codec are enough.
        layers: most layers to read after the base layer; None reads all.

    Raises:
        TruncatedError: a payload is shorter than 3 bytes.
        BitstreamError: a payload cannot come from an encoder.
    """

    def __init__(self, payloads: Sequence[bytes], *, layers: int | None = None) -> None:
        if isinstance(payloads, bytes) or not payloads:
            raise ContractError("a decoder takes a list of one or more payloads")
        self._rest = list(payloads[1:])
        self._limit = layers
        self._layers = Layers()
        self._begin(payloads[0])

    def _begin(self, payload: bytes) -> None:
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
            ContractError: an argument is not of that form, or the last layer has ended.
            ParameterMismatchError: an index is beyond the tables, so it was derived from wrong symbols.
            BitstreamError: a decoded symbol is beyond the coder's limit.
        """
        self._layers.check_open()
        known = check_tables(tables)
        if symbols is not None:
            raise ContractError("a decoder takes no symbols")
        rows = as_index(index, len(known), None, out_of_range=ParameterMismatchError)
        groups = Groups(rows.ravel())
        entries = np.empty(rows.size, dtype=np.int32)
        for table, start, stop in groups.spans:
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
        self._layers.check_open()
        if value is not None:
            raise ContractError("a decoder takes no value")
        number = 0
        for shift, width in raw_parts(as_width(bits)):
            number |= int(self._stack.pop_bits(np.array([width], dtype=np.int32))[0]) << shift
        self._digest.add_raw(number)
        return number

    def layer(self, more: bool | None) -> bool:
        """Check the layer that ends here, and begin the next one if there is one and it is wanted.

        Args:
            more: None.

        Returns:
            Whether there is a next layer.

        Raises:
            ContractError: `more` is not None, or the last layer has ended.
            ParameterMismatchError: as `finish`.
            TruncatedError, BitstreamError: as the constructor.
        """
        if more is not None:
            raise ContractError("a decoder is told by the file whether there is another layer")
        self._check_digest()
        if self._layers.another(bool(self._rest) and self._limit != 0):
            self._begin(self._rest.pop(0))
            if self._limit is not None:
                self._limit -= 1
            return True
        return False

    def finish(self) -> None:
        """Check that what was decoded is what was encoded.

        Raises:
            ParameterMismatchError: what is left of a payload is not the digest of what was read from it.
            BitstreamError: there are layers that the program did not ask for.
        """
        self._check_digest()
        if self._rest and self._limit != 0:
            raise BitstreamError("the file has more layers than its codec reads", chunk="LATS")

    def _check_digest(self) -> None:
        if self._stack.to_bytes() != self._digest.to_bytes():
            raise ParameterMismatchError(LOST_STEP)


class Meter:
    """Counts the bits that an Encoder would write, without writing. A `SymbolCoder` for NumPy arrays.

    Attributes:
        by_layer: bits counted so far, by layer from the base on; the digest's 24 and the filling of the last byte
            of each are not in it.
    """

    def __init__(self) -> None:
        self.by_layer = [0.0]
        self._layers = Layers()

    @property
    def bits(self) -> float:
        """Bits of all layers."""
        return sum(self.by_layer)

    def code(self, index: Any, symbols: Any | None, tables: Any) -> Symbols:
        """Count one array of symbols; arguments and errors as in `Encoder.code`."""
        self._layers.check_open()
        known = check_tables(tables)
        if symbols is None:
            raise ContractError("a meter needs symbols to count")
        values = as_symbols(symbols)
        self.by_layer[-1] += known.bits(index, values)
        return values

    def raw(self, value: int | None, bits: int) -> int:
        """Count a raw value; arguments and errors as in `Encoder.raw`."""
        self._layers.check_open()
        if value is None:
            raise ContractError("a meter needs a value to count")
        number, width = as_raw(value, bits)
        self.by_layer[-1] += width
        return number

    def layer(self, more: bool | None) -> bool:
        """Count what follows as the next layer if `more`; arguments and errors as in `Encoder.layer`."""
        if self._layers.another(more):
            self.by_layer.append(0.0)
            return True
        return False
