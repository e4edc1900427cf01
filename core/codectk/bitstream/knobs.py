"""The knobs that a file carries, as one mask byte and one integer per knob.

A knob travels as an integer so that both ends compute with the same value whatever their floats do;
encoders must therefore work with `quantize_knob(name, value)`, never with what the user typed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codectk.base.errors import BitstreamError, FormatVersionError, TruncatedError, UsageError
from codectk.bitstream.varint import Buffer, decode_varint, encode_varint


@dataclass(frozen=True)
class _CodedKnob:
    """How one knob is carried: the integer `round(value * scale)`, at most `top`.

    `scale` 1 means that the knob is an integer itself.
    """

    name: str
    scale: int
    top: int


# Order is bit order in the mask. The tops bound what a hostile file can ask of a decoder (steps = time).
_KNOBS = (
    _CodedKnob("quality", 100, 10_000),
    _CodedKnob("seed", 1, 2**32 - 1),
    _CodedKnob("steps", 1, 1000),
    _CodedKnob("strength", 1000, 1000),
    _CodedKnob("guidance", 100, 10_000),
    _CodedKnob("realism", 1000, 1000),
)

CODED_KNOBS: tuple[str, ...] = tuple(knob.name for knob in _KNOBS)
"""Names of the knobs a file can carry, in mask order (lowest bit first)."""

_RESERVED = 0xFF & ~((1 << len(_KNOBS)) - 1)


def quantize_knob(name: str, value: float | int) -> float | int:
    """The value as the file will carry it; idempotent.

    Ranges: quality 0..100 in steps of 0.01, seed 0..2**32-1, steps 0..1000, strength 0..1 in steps of
    0.001, guidance 0..100 in steps of 0.01, realism (a hint to the decoder) 0..1 in steps of 0.001.

    Raises:
        UsageError: if no coded knob has this name, or the value is outside its range.
    """
    knob = next((knob for knob in _KNOBS if knob.name == name), None)
    if knob is None:
        raise UsageError(f"No file carries a knob named {name!r}, the names are {', '.join(CODED_KNOBS)}.")
    return _value(knob, _integer(knob, value))


def pack_knobs(knobs: Mapping[str, float | int]) -> bytes:
    """The mask byte and the knobs that are present.

    Raises:
        UsageError: if a name is not a coded knob or a value is outside its range.
    """
    for name, value in knobs.items():
        quantize_knob(name, value)
    mask, body = 0, b""
    for bit, knob in enumerate(_KNOBS):
        if knob.name in knobs:
            mask |= 1 << bit
            body += encode_varint(_integer(knob, knobs[knob.name]))
    return bytes([mask]) + body


def unpack_knobs(buf: Buffer, pos: int, end: int) -> tuple[dict[str, float | int], int]:
    """Read what `pack_knobs` wrote at `buf[pos]`, reading no byte at or after `end`.

    Returns:
        The knobs by name in mask order, and the position after them.

    Raises:
        TruncatedError: if the data ends too early.
        FormatVersionError: if a reserved bit of the mask is set.
        BitstreamError: if a value is outside its knob's range.
    """
    if pos >= end:
        raise TruncatedError("The data ends before the knobs.", offset=end)
    mask = buf[pos]
    if mask & _RESERVED:
        raise FormatVersionError(
            "The file has a knob that this version does not know; it is newer than this codectk, or damaged.",
            offset=pos,
        )
    pos += 1
    knobs: dict[str, float | int] = {}
    for bit, knob in enumerate(_KNOBS):
        if mask >> bit & 1:
            start = pos
            integer, pos = decode_varint(buf, pos, end)
            if integer > knob.top:
                raise BitstreamError(f"The knob {knob.name} carries {integer}, the most is {knob.top}.", offset=start)
            knobs[knob.name] = _value(knob, integer)
    return knobs, pos


def _value(knob: _CodedKnob, integer: int) -> float | int:
    return integer if knob.scale == 1 else integer / knob.scale


def _integer(knob: _CodedKnob, value: float | int) -> int:
    """The integer that stands for `value`; NaN fails the range test like everything else outside it."""
    if not 0 <= value <= knob.top / knob.scale:
        raise UsageError(f"The knob {knob.name} takes 0 to {knob.top // knob.scale}, not {value}.")
    if knob.scale == 1 and value != int(value):
        raise UsageError(f"The knob {knob.name} takes whole numbers, not {value}.")
    return int(value) if knob.scale == 1 else round(float(value) * knob.scale)
