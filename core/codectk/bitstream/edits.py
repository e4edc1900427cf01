"""The payload of a chunk EDIT: names and amounts, without a count and without lengths.

The last letter of a name has bit 7 set; the amount follows as a varint. The chunk's own length says where they end.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from codectk.base.errors import BitstreamError, UsageError
from codectk.bitstream.varint import Buffer, decode_varint, encode_varint

STEPS = 64
"""Steps per unit of an amount."""

MAX_AMOUNT = 1024
"""Largest magnitude of an amount."""

MAX_EDITS_BYTES = 4096
"""Longest payload in bytes."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
_END = 0x80


def quantize_amount(amount: float) -> float:
    """The amount as a file carries it, in steps of 1/64; idempotent.

    Raises:
        UsageError: not a number of magnitude 0..1024.
    """
    return _steps(amount) / STEPS


def is_edit_name(name: str) -> bool:
    """Whether a file can carry an edit of this name: 1 to 32 of a-z 0-9 _, beginning with a letter."""
    return _NAME.fullmatch(name) is not None


def pack_edits(edits: Mapping[str, float]) -> bytes:
    """The payload for amounts by name; those that round to 0 are left out.

    Raises:
        UsageError: a name or an amount cannot be carried.
    """
    out = bytearray()
    for name, amount in sorted(edits.items()):
        if not is_edit_name(name):
            raise UsageError(f"No file carries an edit named {name!r}: 1 to 32 of a-z 0-9 _, with a letter first.")
        steps = _steps(amount)
        if steps:
            text = bytearray(name.encode("ascii"))
            text[-1] |= _END
            out += text + encode_varint(2 * abs(steps) - (steps > 0))
    return bytes(out)


def unpack_edits(payload: Buffer) -> dict[str, float]:
    """Read what `pack_edits` wrote.

    Returns:
        At least one amount by name, in the order of names.

    Raises:
        BitstreamError: the payload breaks a rule.
    """
    edits: dict[str, float] = {}
    pos, end, last = 0, len(payload), ""
    while pos < end or not edits:
        name, pos = _name(payload, pos)
        if name <= last:
            raise BitstreamError(f"The edits '{last}' and '{name}' are not in order.")
        code, pos = decode_varint(payload, pos, end)
        steps = (code + 1) // 2 if code % 2 else -(code // 2)
        if not 1 <= abs(steps) <= MAX_AMOUNT * STEPS:
            raise BitstreamError(f"The edit '{name}' has an amount that no file carries.")
        edits[name], last = steps / STEPS, name
    return edits


def _name(payload: Buffer, pos: int) -> tuple[str, int]:
    stop = next((at for at in range(pos, len(payload)) if payload[at] & _END), None)
    if stop is None:
        raise BitstreamError("The chunk of edits ends within a name.")
    text = bytes(payload[pos:stop]) + bytes([payload[stop] & ~_END & 0xFF])
    name = text.decode("ascii")
    if not is_edit_name(name):
        raise BitstreamError(f"An edit cannot be named {name!r}.")
    return name, stop + 1


def _steps(amount: float) -> int:
    if not -MAX_AMOUNT <= amount <= MAX_AMOUNT:
        raise UsageError(f"The amount of an edit lies between -{MAX_AMOUNT} and {MAX_AMOUNT}, not at {amount}.")
    return round(amount * STEPS)
