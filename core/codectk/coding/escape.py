"""Codes for symbols outside their table: Exp-Golomb, its length entropy-coded, its mantissa as bits."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from codectk.coding.ans import FREQUENCY_BITS, MAX_BITS_PER_CALL, AnsStack, build_model

Codes = npt.NDArray[np.int64]

LENGTH_FREQUENCIES = (2**15 - 14, *(2 ** (15 - n) for n in range(1, 14)), *(1 for _ in range(14, 32)))
"""Frequencies of the mantissa lengths 0..31 bits: each length half as likely as the one before."""

_POWERS = np.left_shift(1, np.arange(32), dtype=np.int64)


@cache
def _length_model() -> Any:
    return build_model(np.array(LENGTH_FREQUENCIES, dtype=np.int32))


def to_codes(symbols: Codes, first: Codes, last: Codes) -> Codes:
    """Map symbols outside `first..last` to codes 0, 1, 2, ...: nearest first, above before below.

    Args:
        symbols, first, last: int64 (n,) each; every symbol is < first or > last.
    """
    return np.where(symbols > last, 2 * (symbols - last - 1), 2 * (first - 1 - symbols) + 1)


def from_codes(codes: Codes, first: Codes, last: Codes) -> Codes:
    """The inverse of `to_codes`."""
    half = codes >> 1
    return np.where(codes & 1, first - 1 - half, last + 1 + half)


def _lengths(codes: Codes) -> npt.NDArray[np.int32]:
    return (np.searchsorted(_POWERS, codes + 1, side="right") - 1).astype(np.int32)


def push_codes(stack: AnsStack, codes: Codes) -> None:
    """Push codes (int64 (n,), 0..2**32-2). They are popped as lengths, low parts, high parts."""
    lengths = _lengths(codes)
    mantissas = codes + 1 - _POWERS[lengths]
    long = lengths > MAX_BITS_PER_CALL
    if long.any():
        stack.push_bits((mantissas[long] >> MAX_BITS_PER_CALL).astype(np.int32), lengths[long] - MAX_BITS_PER_CALL)
    some = lengths > 0
    if some.any():
        low = mantissas[some] & ((1 << MAX_BITS_PER_CALL) - 1)
        stack.push_bits(low.astype(np.int32), np.minimum(lengths[some], MAX_BITS_PER_CALL))
    stack.push(lengths, _length_model())


def pop_codes(stack: AnsStack, count: int) -> Codes:
    """Pop `count` codes as int64 (count,), 0..2**32-2."""
    lengths = stack.pop(count, _length_model())
    codes = _POWERS[lengths] - 1
    some = lengths > 0
    if some.any():
        codes[some] += stack.pop_bits(np.minimum(lengths[some], MAX_BITS_PER_CALL))
    long = lengths > MAX_BITS_PER_CALL
    if long.any():
        codes[long] += stack.pop_bits(lengths[long] - MAX_BITS_PER_CALL).astype(np.int64) << MAX_BITS_PER_CALL
    return codes


def code_bits(codes: Codes) -> npt.NDArray[np.float64]:
    """What `push_codes` adds to the stream for each code, in bits."""
    lengths = _lengths(codes)
    frequencies = np.array(LENGTH_FREQUENCIES, dtype=np.float64)[lengths]
    bits: npt.NDArray[np.float64] = FREQUENCY_BITS - np.log2(frequencies) + lengths
    return bits
