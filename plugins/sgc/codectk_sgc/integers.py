"""A small network in 64-bit integers: what it says is the same on every machine, to the bit."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from codectk.base.errors import WeightsError
from codectk_sgc.wavefront import IntArray

FIRST_BITS, SECOND_BITS = 12, 8
"""Fraction bits of the first and the second layer's weights."""

MAX_INPUT = 1 << 12
"""Largest magnitude of an input."""

MAX_HIDDEN = (1 << 23) - 1
"""Largest hidden value, 2047 in units of the layer."""

MAX_WIDTH = 256
"""Most values of a layer. With 32-bit weights no sum reaches 2**63 then: 2**(31 + 23 + 8)."""

PARTS = ("w1", "b1", "w2", "b2")


class IntegerNet:
    """Two layers with a ReLU between: `(max(x w1 + b1, 0) w2 + b2) / 2**20`, rounded down.

    Args:
        arrays: int32 arrays by name: w1 (F, N) and b1 (N,) with FIRST_BITS fraction bits, w2 (N, O) with SECOND_BITS,
            b2 (O,) with both; F, N, O <= 256.
        prefix: what stands before the names.

    Raises:
        WeightsError: an array is missing, or they do not fit each other.
    """

    def __init__(self, arrays: Mapping[str, npt.NDArray[np.generic]], prefix: str) -> None:
        missing = [prefix + part for part in PARTS if prefix + part not in arrays]
        if missing:
            raise WeightsError(f"The coding model lacks the array {missing[0]}.")
        found = [arrays[prefix + part] for part in PARTS]
        w1, b1, w2, b2 = found
        shapes = w1.shape + b1.shape + w2.shape + b2.shape
        fits = [a.ndim for a in found] == [2, 1, 2, 1] and w1.shape[1:] == b1.shape == w2.shape[:1]
        if not fits or w2.shape[1:] != b2.shape or any(a.dtype != np.int32 for a in found) or max(shapes) > MAX_WIDTH:
            raise WeightsError(f"The arrays {prefix}* are not the int32 layers of a coding model.")
        self._w1, self._b1, self._w2, self._b2 = (a.astype(np.int64) for a in found)

    @property
    def inputs(self) -> int:
        return int(self._w1.shape[0])

    @property
    def outputs(self) -> int:
        return int(self._w2.shape[1])

    def __call__(self, x: IntArray) -> IntArray:
        """int64 (n, F), magnitudes up to MAX_INPUT, to int64 (n, O)."""
        hidden = np.clip(x @ self._w1 + self._b1, 0, MAX_HIDDEN)
        out: IntArray = (hidden @ self._w2 + self._b2) >> (FIRST_BITS + SECOND_BITS)
        return out


def quantized(layers: Mapping[str, npt.NDArray[np.floating]], prefix: str) -> dict[str, npt.NDArray[np.int32]]:
    """Float layers with the shapes of `IntegerNet` to its arrays.

    Raises:
        WeightsError: a weight does not fit in 32 bits.
    """
    bits = dict(zip(PARTS, (FIRST_BITS, FIRST_BITS, SECOND_BITS, FIRST_BITS + SECOND_BITS), strict=True))
    result = {}
    for part in PARTS:
        scaled = np.rint(np.asarray(layers[part], np.float64) * (1 << bits[part]))
        if not np.isfinite(scaled).all() or np.abs(scaled).max(initial=0) >= 2**31:
            raise WeightsError(f"The layer {prefix}{part} has a weight that is too large for integers.")
        result[prefix + part] = scaled.astype(np.int32)
    return result
