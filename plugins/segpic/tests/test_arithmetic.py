"""Integers behind the hyperprior: tables, grids, ranges."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.nn.charm import CONTEXT_BITS, LATENT_BITS, VALUE_MAX
from codectk.nn.exact import ACTIVATION_MAX, ExactConv2d, ExactTable, freeze
from codectk.nn.priors import FactorizedPrior
from codectk_segpic.arithmetic import Exact, Float
from codectk_segpic.config import SMALL

pytestmark = pytest.mark.portable

EXACT, FLOAT = Exact(SMALL), Float(SMALL)


def test_residual_prediction_table_is_the_rounded_function():
    """0.5 tanh(k / 64) on the 1/64 grid, for every integer that may come, in float64."""
    *_, table = EXACT.lrp_net(8, 4, 0)
    assert isinstance(table, ExactTable)
    freeze(table)
    k = np.arange(-400, 401)
    expected = np.round(0.5 * np.tanh(np.clip(k, -255, 255) / 64) * 64)
    assert table(torch.from_numpy(k).float()).tolist() == expected.tolist()
    assert abs(expected).max() == 32


def test_the_networks_end_where_their_readers_expect():
    mean, scale, lrp = EXACT.mean_net(8, 4, 0)[-1], EXACT.scale_net(8, 4, 0)[-1], EXACT.lrp_net(8, 4, 0)[0][-1]
    assert (mean.out_bits, mean.out_min, mean.out_max) == (LATENT_BITS, -8191, 8191)
    assert (scale.out_min, scale.out_max) == (0, 63)
    assert (lrp.out_min, lrp.out_max) == (-255, 255)
    assert scale.bias is not None
    start = EXACT.scale_net(8, 4, 0)(torch.zeros(1, 8, 3, 3))
    assert torch.equal(start, torch.full_like(start, 20)), "an untrained network codes with a standard deviation of 1.3"


def test_layers_follow_each_other_within_bounds():
    """No layer gives more than the next one takes: the premise of the proof."""
    for net in (EXACT.hyper_decoder(), EXACT.prototype_decoder(), EXACT.mean_net(9, 4, 0), EXACT.lrp_net(9, 4, 0)[0]):
        layers = [layer for layer in net.modules() if isinstance(layer, ExactConv2d)]
        for before, after in itertools.pairwise(layers):
            assert max(-before.out_min, before.out_max) <= after.in_max
    assert EXACT.hyper_decoder()[0].in_max == EXACT.prototype_decoder()[0].in_max == VALUE_MAX


@settings(max_examples=60, deadline=None)
@given(st.integers(-(2**17), 2**17), st.integers(-8191, 8191), st.integers(-32, 32))
def test_a_decoded_latent_lies_on_its_grid(symbol: int, mean: int, residual: int):
    known = EXACT.reconstruct(torch.tensor(float(symbol)), torch.tensor(float(mean))) + residual
    assert known.item() == 64 * symbol + mean + residual
    assert EXACT.latent_value(known).item() == float(Fraction(64 * symbol + mean + residual, 64))
    expected = max(-ACTIVATION_MAX, min(ACTIVATION_MAX, round(Fraction(64 * symbol + mean + residual, 4))))
    assert EXACT.as_input(known).item() == expected
    assert EXACT.mean_value(torch.tensor(float(mean))).item() == mean / 64
    assert CONTEXT_BITS == 4


@pytest.mark.parametrize("quality, level", [(0, -16), (50, 0), (100, 16), (73.44, 8), (51.5625, 0), (54.6875, 2)])
def test_the_quality_enters_as_an_integer(quality: float, level: int):
    z = torch.randn(1, 3, 2, 2).round()
    entered = EXACT.enter(z, quality)
    assert torch.equal(entered[:, :3], z)
    assert torch.equal(entered[:, 3:], torch.full((1, 1, 2, 2), float(level)))


def test_every_picture_of_a_batch_enters_with_its_quality():
    entered = EXACT.enter(torch.zeros(3, 1, 2, 2), torch.tensor([0.0, 50.0, 100.0]))
    assert entered[:, 1, 0, 0].tolist() == [-16, 0, 16]


def test_values_are_bounded_integers_or_symbols_with_medians():
    prior = FactorizedPrior("z", 2)
    prior.medians.copy_(torch.tensor([0.25, -1.5]).view(1, 2, 1, 1))
    symbols = torch.tensor([[[[-300.0]], [[7.0]]]])
    assert EXACT.value(symbols, prior).flatten().tolist() == [-255, 7]
    assert FLOAT.value(symbols, prior).flatten().tolist() == [-299.75, 5.5]
