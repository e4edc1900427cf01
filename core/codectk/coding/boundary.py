"""What may cross into the coder: NumPy integer arrays on the CPU, checked once per call."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import numpy.typing as npt

from codectk.base.errors import CodectkError, ContractError

Index = npt.NDArray[np.unsignedinteger]
Symbols = npt.NDArray[np.int32]

MAX_SYMBOL = 1 << 30
"""Largest magnitude of a symbol."""

MAX_RAW_BITS = 32


def _integers(array: Any, what: str) -> npt.NDArray[np.integer]:
    if not isinstance(array, (np.ndarray, np.integer, int)) or isinstance(array, bool):
        raise ContractError(f"{what} must be a NumPy integer array on the CPU, not {type(array).__name__}")
    result = np.asarray(array)
    if result.dtype.kind not in "iu":
        raise ContractError(f"{what} must be integers, not {result.dtype}")
    return result


def as_index(
    index: Any, tables: int, shape: tuple[int, ...] | None, *, out_of_range: type[CodectkError] = ContractError
) -> Index:
    """Check table indices and bring them into the coded form.

    Args:
        index: integer array, values 0..tables-1.
        tables: number of tables.
        shape: shape to broadcast to, or None to keep the index's own.
        out_of_range: error class for values beyond the tables.

    Returns:
        uint8 (uint16 for more than 256 tables), C-contiguous.

    Raises:
        ContractError: not an integer array, or it does not broadcast to `shape`.
    """
    array = _integers(index, "table indices")
    if array.size and not (int(array.min()) >= 0 and int(array.max()) < tables):
        raise out_of_range(f"a table index is outside 0..{tables - 1}")
    if shape is not None and array.shape != shape:
        try:
            array = np.broadcast_to(array, shape)
        except ValueError:
            raise ContractError(f"table indices of shape {array.shape} do not fit symbols of shape {shape}") from None
    return np.asarray(array, dtype=np.uint8 if tables <= 256 else np.uint16, order="C")


def as_symbols(symbols: Any) -> Symbols:
    """Check symbols and bring them to int32, C-contiguous; an array that is so already is not copied.

    Raises:
        ContractError: not an integer array, or a magnitude above 2**30.
    """
    array = _integers(symbols, "symbols")
    if array.size and not (int(array.min()) >= -MAX_SYMBOL and int(array.max()) <= MAX_SYMBOL):
        raise ContractError("a symbol is beyond the coder's limit of 2**30")
    return np.asarray(array, dtype=np.int32, order="C")


def as_raw(value: Any, bits: Any) -> tuple[int, int]:
    """Check a raw value and its width.

    Raises:
        ContractError: not integers, the width is outside 1..32, or the value does not fit.
    """
    width = as_width(bits)
    try:
        number = operator.index(value)
    except TypeError:
        raise ContractError(f"a raw value must be an integer, not {type(value).__name__}") from None
    if not 0 <= number < 1 << width:
        raise ContractError(f"the raw value {number} does not fit in {width} bits")
    return number, width


def as_width(bits: Any) -> int:
    """Check the width of a raw value, in bits.

    Raises:
        ContractError: not an integer in 1..32.
    """
    try:
        width = operator.index(bits)
    except TypeError:
        raise ContractError(f"the width of a raw value must be an integer, not {type(bits).__name__}") from None
    if not 1 <= width <= MAX_RAW_BITS:
        raise ContractError(f"a raw value must have 1 to {MAX_RAW_BITS} bits, not {width}")
    return width
