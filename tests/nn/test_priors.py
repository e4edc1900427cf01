"""Densities, and the integer tables made from them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from codectk.coding.coder import Meter as Counter
from codectk.coding.tables import Tables
from codectk.nn.coders import Meter
from codectk.nn.priors import (
    FactorizedPrior,
    GaussianPrior,
    index_of,
    scale_of,
    table_costs,
)
from codectk.programs.values import SCALE_LEVELS, SCALE_MAX, SCALE_MIN

ONE = 2.0**-16
"""Step of a coded probability."""


def rows(tables: Tables) -> list[np.ndarray]:
    """Coded probabilities per table, the escape's last."""
    return [tables.frequencies[t, : tables.sizes[t]] * ONE for t in range(len(tables))]


def drawn(tables: Tables, table: int, count: int, seed: int) -> np.ndarray:
    """Symbols as the table expects them, without escapes: int32 (count,)."""
    p = rows(tables)[table][:-1]
    symbols = np.random.default_rng(seed).choice(len(p), count, p=p / p.sum())
    return (symbols + tables.offsets[table]).astype(np.int32)


def learned(channels: int = 5, seed: int = 0) -> FactorizedPrior:
    """A density as training may leave it: shifted, skewed, of several widths."""
    torch.manual_seed(seed)
    prior = FactorizedPrior("z", channels)
    with torch.no_grad():
        for factor in prior.factors:
            factor.normal_(0, 1.0)
        prior.matrices[0].add_(torch.linspace(-1, 1.5, channels).view(-1, 1, 1))
        prior.biases[0].add_(torch.linspace(-4, 3, channels).view(-1, 1, 1))
    return prior


# Gaussian


def test_scales_are_log_spaced_and_found_again():
    index = torch.arange(SCALE_LEVELS, dtype=torch.float64)
    scale = scale_of(index)
    assert math.isclose(scale[0], SCALE_MIN) and math.isclose(scale[-1], SCALE_MAX)
    assert torch.allclose(scale[1:] / scale[:-1], torch.full((63,), (SCALE_MAX / SCALE_MIN) ** (1 / 63)).double())
    assert torch.allclose(index_of(scale), index)
    assert index_of(torch.tensor([1e-9, 0.0, -3.0, 1e9])).tolist() == [0, 0, 0, 63]


def phi(x: float) -> float:
    return 0.5 * math.erfc(-x / math.sqrt(2))


@pytest.mark.parametrize("index", [0, 1, 20, 40, 63])
def test_gaussian_tables_are_its_likelihoods(index: int):
    tables = GaussianPrior("y").build_tables()
    assert len(tables) == SCALE_LEVELS
    scale = SCALE_MIN * (SCALE_MAX / SCALE_MIN) ** (index / 63)
    p = rows(tables)[index]
    reach = -int(tables.offsets[index])
    assert len(p) == 2 * reach + 2 and reach == max(1, math.ceil(4 * scale))
    expected = [phi((k + 0.5) / scale) - phi((k - 0.5) / scale) for k in range(-reach, reach + 1)]
    expected.append(2 * phi(-(reach + 0.5) / scale))
    assert abs(p.sum() - 1) < 1e-12 and np.abs(p[:-1] - p[-2::-1]).max() <= ONE
    # Largest remainders: off by less than a step each, and by the share that raising rare ones to a step costs.
    raised = sum(max(0.0, ONE - e) for e in expected)
    assert np.all(np.abs(p - expected) <= ONE + np.array(expected) * raised * 1.1)


def test_gaussian_bits_are_minus_log2():
    prior = GaussianPrior("y")
    index = torch.tensor([0.0, 20.0, 33.25, 63.0])
    for value in (-3.0, 0.0, 0.5, 2.0):
        bits = prior.bits(torch.full((4,), value), index)
        for found, i in zip(bits.tolist(), index.tolist(), strict=True):
            s = SCALE_MIN * (SCALE_MAX / SCALE_MIN) ** (i / 63)
            p = phi((0.5 - abs(value)) / s) - phi((-0.5 - abs(value)) / s)
            assert math.isclose(found, -math.log2(max(p, 1e-9)), rel_tol=1e-3, abs_tol=1e-5)


def test_outliers_cost_a_finite_price_and_pull_back():
    value, index = torch.tensor([400.0], requires_grad=True), torch.tensor([5.0], requires_grad=True)
    bits = GaussianPrior("y").bits(value, index)
    bits.sum().backward()
    assert math.isclose(bits.item(), -math.log2(1e-9), rel_tol=1e-5)
    for variable in (value, index):
        assert variable.grad is not None and torch.isfinite(variable.grad).all()


# Factorized


def test_a_learned_density_is_one():
    prior = learned()
    x = torch.arange(-400.0, 401.0, dtype=torch.float64).expand(5, 1, -1)
    p = prior.likelihood(x)[:, 0]
    assert (p >= 0).all() and torch.allclose(p.sum(1), torch.ones(5, dtype=torch.float64), atol=1e-6)
    logits = prior.logits(x)
    assert (logits[..., 1:] >= logits[..., :-1]).all()
    assert prior.bits(torch.zeros(2, 5, 3, 4), torch.arange(5).view(1, 5, 1, 1)).shape == (2, 5, 3, 4)


def test_the_very_middle_is_likely():
    """Where the two logits are opposite numbers, the sign of their sum is none."""
    prior = FactorizedPrior("z", 1)
    with torch.no_grad():
        for bias in prior.biases:
            bias.zero_()
    p = prior.likelihood(torch.tensor([[[-1.0, 0.0, 1.0]]]))[0, 0]
    lower, upper = prior.logits(torch.tensor([[[-0.5, 0.5]]]))[0, 0]
    assert lower == -upper
    assert p[1] > p[0] > 0 and torch.isclose(p[0], p[2])


def test_factorized_tables_are_its_likelihoods():
    prior = learned()
    tables = prior.build_tables()
    assert len(tables) == 5 and len(set(tables.sizes.tolist())) > 1, "the channels differ"
    for channel, p in enumerate(rows(tables)):
        first = int(tables.offsets[channel])
        support = torch.arange(first, first + len(p) - 1, dtype=torch.float64).expand(5, 1, -1)
        expected = prior.likelihood(support)[channel, 0].detach().numpy()
        assert 1 - expected.sum() < 2.0**-13, "the escape is rare"
        assert np.all(np.abs(p[:-1] - expected) <= ONE + expected * len(p) * ONE)


def test_bits_count_present_symbols_only():
    prior = learned(3)
    value = torch.randn(2, 3, 4, 1)
    index = torch.arange(3).view(1, 3, 1, 1).expand(2, 3, 4, 1).clone()
    everything = prior.bits(value, index)
    index[1, :, 2:] = -1
    some = prior.bits(value, index)
    assert (some[1, :, 2:] == 0).all()
    assert torch.equal(some[0], everything[0]) and torch.equal(some[1, :, :2], everything[1, :, :2])
    for c in range(3):
        alone = prior.likelihood(value[1, c].view(1, 1, 4).expand(3, 1, 4))[c, 0]
        assert torch.allclose(everything[1, c, :, 0], -torch.log2(alone))


# Estimate and tables


def test_meter_and_tables_agree_on_gaussians():
    prior = GaussianPrior("y")
    tables = prior.build_tables()
    index = np.repeat(np.arange(4, SCALE_LEVELS, dtype=np.int32), 400)
    symbols = np.concatenate([drawn(tables, t, 400, seed=t) for t in range(4, SCALE_LEVELS)])
    counter, meter = Counter(), Meter()
    counter.code(index, symbols, tables)
    meter.code(torch.from_numpy(index)[None], torch.from_numpy(symbols).float()[None], prior)
    assert isinstance(meter.bits, torch.Tensor)
    assert counter.bits > 50_000
    assert abs(meter.bits.item() / counter.bits - 1) < 0.01


def test_meter_and_tables_agree_on_learned_densities():
    prior = learned()
    tables = prior.build_tables()
    symbols = np.stack([drawn(tables, c, 2000, seed=c) for c in range(5)]).reshape(1, 5, 40, 50)
    index = np.broadcast_to(np.arange(5).reshape(1, 5, 1, 1), symbols.shape)
    counter, meter = Counter(), Meter()
    counter.code(np.ascontiguousarray(index), symbols, tables)
    meter.code(torch.from_numpy(index.copy()), torch.from_numpy(symbols).float(), prior)
    assert isinstance(meter.bits, torch.Tensor)
    assert abs(meter.bits.item() / counter.bits - 1) < 0.01


def test_a_thawed_density_codes_like_its_tables():
    prior = learned()
    tables = prior.tables = prior.build_tables()
    prior.requires_grad_(False)
    prior.thaw()
    assert prior.tables is None and all(parameter.requires_grad for parameter in prior.parameters())
    costs, first = table_costs(prior.build_tables())
    for t, share in enumerate(rows(tables)):
        column = torch.arange(len(share) - 1) + int(tables.offsets[t]) - first
        entropy = -(share[:-1] * np.log2(share[:-1])).sum()
        assert (share[:-1] * costs[t, column].numpy()).sum() == pytest.approx(entropy, abs=0.01)
