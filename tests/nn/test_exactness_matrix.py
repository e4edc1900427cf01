"""What feeds the coder is the same to the bit, however it is computed; a float network is not."""

from __future__ import annotations

import dataclasses
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

pytestmark = pytest.mark.portable

HEIGHT, WIDTH = 256, 192


@pytest.fixture(scope="module")
def exact(matrix: ModuleType) -> Any:
    return matrix.Bench(True, HEIGHT, WIDTH)


@pytest.fixture(scope="module")
def reference(matrix: ModuleType, exact: Any) -> Any:
    return exact.run(matrix.settings()[0])


def test_the_network_is_lively(exact: Any, reference: Any):
    """A dead network would be exact for nothing."""
    config = exact.network.config
    assert len(reference.indices) == len(reference.means) == len(reference.symbols) == len(config.slices)
    indices, means, symbols = (
        np.concatenate([a.ravel() for a in arrays])
        for arrays in (reference.indices, reference.means, reference.symbols)
    )
    assert indices.size == means.size == symbols.size == config.latent * (HEIGHT // 16) * (WIDTH // 16)
    assert len(np.unique(indices)) == 64 and np.bincount(indices).max() < indices.size / 8
    assert means.std() > 64 and len(np.unique(means)) > 500  # on the 1/64 grid
    assert symbols.std() > 2 and len(np.unique(reference.z)) > 5


def chosen(matrix: ModuleType) -> list[Any]:
    """All settings on one thread. On two, which is slow where cores are busy, every fourth: all layouts, libraries
    and places, with precision and autocast taking turns."""
    settings = matrix.settings()
    assert len(settings) == len(set(settings)) == 64
    one = [setting for setting in settings if setting.threads == 1]
    two = [setting for setting in settings if setting.threads == 2]
    return one + [two[4 * group + (group + group // 4) % 4] for group in range(8)]


def test_what_is_chosen_covers_the_matrix(matrix: ModuleType):
    settings = chosen(matrix)
    for threads in (1, 2):
        part = [s for s in settings if s.threads == threads]
        assert len({(s.layout, s.onednn, s.place) for s in part}) == 8
        assert len({(s.precision, s.autocast) for s in part}) == 4
        assert len({(s.layout, s.precision) for s in part}) == 4


def test_integers_are_the_same_in_every_setting(matrix: ModuleType, exact: Any, reference: Any):
    different = [setting for setting in chosen(matrix) if not exact.run(setting).same_as(reference)]
    assert not different


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_integers_are_the_same_on_cuda(matrix: ModuleType, exact: Any, reference: Any):
    different = [setting for setting in matrix.settings("cuda") if not exact.run(setting).same_as(reference)]
    assert not different


def test_floats_are_not(matrix: ModuleType):
    """The same program, widths and values; the matrix notices what it is there to notice."""
    bench = matrix.Bench(False, HEIGHT, WIDTH)
    first, *others = matrix.settings()
    reference = bench.run(first)
    assert np.abs(np.concatenate([mean.ravel() for mean in reference.means])).max() < 100
    assert bench.run(first).same_as(reference), "the difference must come from the setting"
    different = next((found for s in others if not (found := bench.run(s)).same_as(reference)), None)
    assert different is not None
    assert 0 < different.mean_difference(reference) < 1e-3


def test_the_comparison_sees_one_bit(reference: Any):
    for name in ("indices", "means", "symbols"):
        arrays = [array.copy() for array in getattr(reference, name)]
        arrays[-1].view(np.int32).ravel()[-1] ^= 1
        assert not dataclasses.replace(reference, **{name: arrays}).same_as(reference)
