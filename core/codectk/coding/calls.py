"""What an encoder records of a program: its calls in order, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from codectk.base.errors import ContractError
from codectk.coding.ans import MAX_BITS_PER_CALL, AnsStack
from codectk.coding.boundary import Symbols
from codectk.coding.digest import DIGEST_BYTES, Digest
from codectk.coding.escape import push_codes
from codectk.coding.groups import Groups
from codectk.coding.tables import Tables


def check_tables(tables: Any) -> Tables:
    """Check that `tables` are some.

    Raises:
        ContractError: they are something else.
    """
    if not isinstance(tables, Tables):
        raise ContractError(f"tables must be codectk.coding.tables.Tables, not {type(tables).__name__}")
    return tables


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
        for table, start, stop in reversed(list(self.groups)):
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
