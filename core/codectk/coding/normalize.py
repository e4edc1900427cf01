"""Counts to frequencies, in integers only: the same counts give the same table everywhere."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from codectk.base.errors import WeightsError
from codectk.coding.ans import FREQUENCY_BITS

TOTAL = 1 << FREQUENCY_BITS

MAX_COUNT_SUM = 1 << 46
"""Largest sum of one table's counts; a count times 2**16 then fits in 63 bits."""


def normalize(counts: npt.NDArray[np.integer]) -> npt.NDArray[np.int32]:
    """Scale counts to frequencies that sum to 2**16, each at least 1, by largest remainders.

    Entries whose share is below 1 get exactly 1; the rest is shared among the others in proportion, so that
    a wide tail takes nothing from the likely symbols but what it needs. Equal remainders favor the earlier entry.

    Args:
        counts: integers (n,), 2 <= n <= 65536, >= 0, sum <= 2**46. All zero means uniform.

    Returns:
        int32 (n,).

    Raises:
        WeightsError: the counts are not such an array.
    """
    if counts.ndim != 1 or counts.dtype.kind not in "iu" or not 2 <= counts.size <= TOTAL:
        raise WeightsError(f"counts of a table must be a vector of 2 to {TOTAL} integers")
    if int(counts.min()) < 0 or int(counts.max()) > MAX_COUNT_SUM or int(counts.sum(dtype=np.int64)) > MAX_COUNT_SUM:
        raise WeightsError(f"counts of a table must be at least 0 and sum to at most {MAX_COUNT_SUM}")
    weights = counts.astype(np.int64)
    if not weights.any():
        weights[:] = 1
    budget = TOTAL
    active = np.ones(weights.size, dtype=bool)
    # Every entry raised to 1 shrinks what the others share, which may push another one below 1.
    while True:
        total = int(weights[active].sum())
        below = active & (weights * budget < total)
        if not below.any():
            break
        active &= ~below
        budget -= int(below.sum())
    frequencies = np.ones(weights.size, dtype=np.int64)
    shares, remainders = np.divmod(weights[active] * budget, total)
    missing = budget - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:missing]] += 1
    frequencies[active] = shares
    return frequencies.astype(np.int32)
