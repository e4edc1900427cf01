"""The ANS stack: whole arrays of integers in, bytes out. The only file that knows constriction.

The coder is a stack: what is pushed last is popped first, so a writer pushes in the reverse of the
reading order. Within one call arrays keep their order: `pop` returns what one `push` took.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import constriction
import numpy as np
import numpy.typing as npt

from codectk.base.errors import BitstreamError

IntArray = npt.NDArray[np.int32]

FREQUENCY_BITS = 16
"""Frequencies of one table sum to 2**16."""

CODER_BITS = 24
"""Precision of constriction's default coder: probabilities are multiples of 2**-24."""

MAX_BITS_PER_CALL = 16
"""Widest value `push_bits` takes."""


def build_model(frequencies: IntArray) -> Any:
    """Make the coder's model whose probabilities are exactly `frequencies / 2**16`.

    constriction (perfect=False) puts the left edge of symbol i at `floor(scale * sum(w[:i])) + i` with
    `scale = (2**24 - n) / sum(w)`. With `w = 256 * frequencies - 1` the scale is exactly 1 and the edges
    are exactly `256 * sum(frequencies[:i])`: the floats only carry integers below 2**24.

    Args:
        frequencies: int32 (n,), n >= 2, each >= 1, sum 2**16.
    """
    step = 1 << (CODER_BITS - FREQUENCY_BITS)
    return constriction.stream.model.Categorical(frequencies.astype(np.float64) * step - 1.0, perfect=False)


@cache
def _uniform() -> Any:
    return constriction.stream.model.Uniform()


class AnsStack:
    """An entropy-coded stack of integers.

    Args:
        data: bytes from `to_bytes`, or other bytes that do not end with zero to start from.

    Raises:
        BitstreamError: `data` ends with a zero byte, which no writer produces.
    """

    def __init__(self, data: bytes = b"") -> None:
        if not data:
            self._coder = constriction.stream.stack.AnsCoder()
            return
        if data[-1] == 0:
            raise BitstreamError(
                "the entropy-coded payload ends with a zero byte, which no encoder writes", chunk="LATS"
            )
        padded = data + bytes(-len(data) % 4)
        self._coder = constriction.stream.stack.AnsCoder(np.frombuffer(padded, dtype="<u4").astype(np.uint32))

    def push(self, symbols: IntArray, model: Any) -> None:
        """Push an array of symbols.

        Args:
            symbols: int32 (n,), each in 0..size-1 of the model's table.
            model: from `build_model`.
        """
        self._coder.encode_reverse(symbols, model)

    def pop(self, count: int, model: Any) -> IntArray:
        """Pop `count` symbols as int32 (count,). An exhausted stack yields valid but meaningless symbols."""
        popped: IntArray = self._coder.decode(model, count)
        return popped

    def push_bits(self, values: IntArray, widths: IntArray) -> None:
        """Push unsigned values without a model.

        Args:
            values: int32 (n,), n >= 1, `0 <= values < 2**widths`.
            widths: int32 (n,), bits per value, 1..16.
        """
        self._coder.encode_reverse(values, _uniform(), np.left_shift(1, widths, dtype=np.int32))

    def pop_bits(self, widths: IntArray) -> IntArray:
        """Pop unsigned values of the given widths (int32 (n,), n >= 1, 1..16 bits) as int32 (n,)."""
        popped: IntArray = self._coder.decode(_uniform(), np.left_shift(1, widths, dtype=np.int32))
        return popped

    def to_bytes(self) -> bytes:
        """The stack as bytes: 32-bit words, little-endian, zero bytes at the end removed."""
        words: npt.NDArray[np.uint32] = self._coder.get_compressed()
        return words.astype("<u4").tobytes().rstrip(b"\0")
