"""Integers behind the hyperprior: tables, grids, ranges."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.nn.charm import CONTEXT_BITS
from codectk.nn.exact import ACTIVATION_MAX, ExactConv2d, ExactTable, freeze
from codectk.programs.slices import INTEGERS, LATENT_BITS, REALS, VALUE_MAX, code_slices
from codectk.programs.values import ValueCoder
from codectk_segpic.arithmetic import Integers
from codectk_segpic.config import SMALL

pytestmark = pytest.mark.portable

EXACT = Integers(SMALL)


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
@given(st.integers(-(2**20), 2**20))
def test_later_networks_see_a_decoded_latent_rounded_to_their_grid(known: int):
    """From 1/64 to 1/16, half to even, bounded; then asinh on 1/64."""
    table = EXACT.context_table()
    x = torch.tensor([float(known)])
    trained = table(x).item()
    freeze(table)
    rounded = max(-ACTIVATION_MAX, min(ACTIVATION_MAX, round(Fraction(known, 4))))
    assert table(x).item() == trained == round(np.arcsinh(np.float64(rounded / 2**CONTEXT_BITS)) * 64)


class Slices:
    """One slice whose networks say constants, on numpy arrays."""

    numbers, slices, support, own_view, layered, prior_y = INTEGERS, (2,), 0, False, False, None
    two_pass, neighbors = 0, ()

    def __init__(self, mean: int, residual: int):
        self.cc_mean_transforms = [lambda x: np.full_like(x, mean)]
        self.cc_scale_transforms = [np.zeros_like]
        self.lrp_transforms = [lambda x: np.full_like(x[:, :2], residual)]
        self.context = np.zeros_like


class Symbols(ValueCoder):
    """Decodes one number all over, and remembers what it was to code."""

    def __init__(self, symbol: int):
        self.symbol = symbol

    def code(self, index, value, prior, bound=None):
        self.seen = value
        return np.full_like(index, self.symbol)

    def raw(self, value, bits): ...

    def layer(self, more): ...


@settings(max_examples=60, deadline=None)
@given(st.integers(-(2**17), 2**17), st.integers(-8191, 8191), st.integers(-32, 32))
def test_a_decoded_latent_lies_on_its_grid(symbol: int, mean: int, residual: int):
    features, coder = np.zeros((1, 2, 1, 1), np.float32), Symbols(symbol)
    y = code_slices(Slices(mean, residual), coder, features + 7, features, features)
    assert y.dtype == np.float32 and set(y.flatten().tolist()) == {float(Fraction(64 * symbol + mean + residual, 64))}
    assert set(coder.seen.flatten().tolist()) == {7 - mean / 64}


@pytest.mark.parametrize("quality, level", [(0, -16), (50, 0), (100, 16), (73.44, 8), (51.5625, 0), (54.6875, 2)])
def test_the_quality_enters_as_an_integer(quality: float, level: int):
    z = torch.randn(1, 3, 2, 2).round()
    entered = INTEGERS.enter(z, quality)
    assert torch.equal(entered[:, :3], z)
    assert torch.equal(entered[:, 3:], torch.full((1, 1, 2, 2), float(level)))


def test_every_picture_of_a_batch_enters_with_its_quality():
    entered = INTEGERS.enter(torch.zeros(3, 1, 2, 2), torch.tensor([0.0, 50.0, 100.0]))
    assert entered[:, 1, 0, 0].tolist() == [-16, 0, 16]


def test_real_networks_take_things_as_they_are():
    z = torch.randn(1, 3, 2, 2)
    assert REALS.enter(z, None) is z and REALS.hyper_input(z) is z and torch.equal(REALS.real(z), z)
    assert torch.equal(INTEGERS.hyper_input(z), torch.asinh(z)) and torch.equal(INTEGERS.real(64 * z), z)


def test_the_second_pass_knows_the_first():
    """Corners of the checkerboard come first, from features alone; the others from their neighbors too."""

    class Rounds(Symbols):
        def __init__(self):
            self.coded = []

        def code(self, index, value, prior, bound=None):
            self.coded.append(value)
            return np.round(value)

    nets = Slices(mean=0, residual=0)
    nets.two_pass, nets.context = 1, lambda known: known
    seen = []
    nets.cc_mean_transforms = [lambda x: seen.append(x[:, 1:]) or np.zeros_like(x[:, 1:])]
    nets.cc_scale_transforms = [lambda x: np.zeros_like(x[:, 1:])]
    nets.lrp_transforms = []
    nets.neighbors = [lambda known: np.full_like(known, 2 << LATENT_BITS)]
    y = np.arange(24, dtype=np.float32).reshape(1, 2, 3, 4)
    features, coder = np.zeros((1, 1, 3, 4), np.float32), Rounds()
    assert np.array_equal(code_slices(nets, coder, y, features, features), y)
    board = np.add.outer(np.arange(3), np.arange(4)) % 2 == 0
    first, second = coder.coded
    assert np.array_equal(first, y[:, :, board]) and np.array_equal(second, y[:, :, ~board] - 2)
    assert not seen[0].any() and np.array_equal(seen[1], np.where(board, y, 0) * 2**LATENT_BITS)
