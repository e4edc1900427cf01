"""Counter-based random numbers: a draw depends on (seed, step, sample, purpose) and on nothing that came before.

So a resumed run repeats an uninterrupted one, and a run split over processes sees the same global batch.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import torch


class Purpose(IntEnum):
    """What a stream of random numbers is for; streams of different purposes are independent."""

    CROP = 0
    QUALITY = 1
    NOISE = 2
    SHARED = 3
    ADVERSARY = 4


def numbers(seed: int, step: int, sample: int, purpose: Purpose) -> np.random.Generator:
    """A numpy generator for one sample of one step."""
    return np.random.default_rng((seed, step, sample, purpose))


def noise(seed: int, step: int, sample: int) -> torch.Generator:
    """A torch generator on the CPU for one sample of one step."""
    return torch.Generator().manual_seed(_state(seed, step, sample, Purpose.NOISE))


def seed_shared(seed: int, step: int, purpose: Purpose = Purpose.SHARED) -> None:
    """Seed torch's global generators for draws that a whole batch shares; equal in all processes."""
    torch.manual_seed(_state(seed, step, 0, purpose))


def quality(seed: int, step: int, sample: int, batch: int) -> float:
    """Quality in [0, 100) of one sample. Stratified over the global batch: every step sees the whole rate axis."""
    return float(100 * (sample + numbers(seed, step, sample, Purpose.QUALITY).random()) / batch)


def _state(*words: int) -> int:
    """A 63-bit seed from several small numbers."""
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0]) >> 1
