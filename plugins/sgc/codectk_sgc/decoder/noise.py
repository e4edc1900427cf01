"""Start noise that is the same on every machine: counters and integers only.

Philox (Salmon et al. 2011), as numpy has it, maps (seed, counter) to 64 random bits; its raw output never changes
between versions or machines, as normal variates of libraries do.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

TERMS = 12
"""Uniform numbers that one normal number is the sum of; their variance is then 1, and none is beyond 6."""


def start_noise(seed: int, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    """Normal numbers, float32 of `shape`, exact multiples of 2^-16.

    Each is the sum of 12 uniform numbers of 16 bits, less its mean (Irwin-Hall): integer arithmetic throughout.

    Args:
        seed: 0..2^32-1.
        shape: of the result.
    """
    count = int(np.prod(shape))
    words = np.random.Philox(key=seed).random_raw(count * TERMS // 4)
    uniform = (words[:, None] >> np.arange(0, 64, 16, dtype=np.uint64)) & np.uint64(0xFFFF)
    sums = uniform.reshape(count, TERMS).astype(np.int64).sum(1)
    # 12 numbers of 0..65535 have the mean 12 * 65535 / 2.
    exact: npt.NDArray[np.float32] = (sums - TERMS * 65535 // 2).astype(np.float32) / np.float32(65536)
    return exact.reshape(shape)
