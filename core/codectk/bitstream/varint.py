"""Variable-length unsigned integers: LEB128, 7 bits a byte, lowest first, values below 2**32."""

from __future__ import annotations

from typing import TypeAlias

from codectk.base.errors import BitstreamError, TruncatedError

Buffer: TypeAlias = bytes | bytearray | memoryview
"""What this room reads from: contiguous bytes."""

MAX_VARINT = 2**32 - 1
"""Largest value; it takes 5 bytes."""

_MAX_BYTES = 5


def encode_varint(value: int) -> bytes:
    """Encode an integer in 0..2**32-1 in the fewest bytes (1..5).

    Raises:
        BitstreamError: if the value is outside that range.
    """
    if not 0 <= value <= MAX_VARINT:
        raise BitstreamError(f"The number {value} cannot be written, the range is 0 to {MAX_VARINT}.")
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(buf: Buffer, pos: int, end: int) -> tuple[int, int]:
    """Decode the integer that starts at `buf[pos]`, reading no byte at or after `end`.

    Returns:
        The value in 0..2**32-1 and the position after it.

    Raises:
        TruncatedError: if the integer does not end before `end`.
        BitstreamError: if it is not in its shortest form (two spellings of one file would be possible)
            or does not fit in 32 bits.
    """
    value = 0
    for used in range(_MAX_BYTES):
        if pos + used >= end:
            raise TruncatedError("The data ends within a number.", offset=min(pos + used, end))
        byte = buf[pos + used]
        value |= (byte & 0x7F) << (7 * used)
        if byte < 0x80:
            if byte == 0 and used > 0:
                raise BitstreamError("A number is not written in its shortest form.", offset=pos)
            if value > MAX_VARINT:
                raise BitstreamError("A number does not fit in 32 bits.", offset=pos)
            return value, pos + used + 1
    raise BitstreamError(f"A number is longer than {_MAX_BYTES} bytes.", offset=pos)
