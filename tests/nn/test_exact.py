"""The integer layers: their bound, what freezing keeps, their arithmetic against Python integers."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from codectk.base.errors import ContractError, WeightsError
from codectk.nn.exact import (
    ACCUMULATOR_LIMIT,
    ACTIVATION_MAX,
    WEIGHT_MAX,
    ExactConv2d,
    ExactIGDN,
    ExactSubpixel,
    ExactTable,
    exact_mean,
    exact_modules,
    freeze,
    requantize,
)
from codectk.programs.slices import BITS

pytestmark = pytest.mark.portable

MANY = settings(max_examples=60, deadline=None)


def integers(bound: int, *shape: int, seed: int = 0) -> Tensor:
    return torch.randint(-bound, bound + 1, shape, generator=torch.Generator().manual_seed(seed)).float()


def half_even(value: Fraction) -> int:
    return round(value)  # Python rounds fractions half to even, exactly


@torch.no_grad()
def crafted(weight_scale: float, bias_scale: float, into: int, out: int, kernel: int, in_bits: int, seed: int):
    layer = ExactConv2d(into, out, kernel, in_bits=in_bits)
    generator = torch.Generator().manual_seed(seed)
    assert layer.weight is not None and layer.bias is not None
    layer.weight.copy_(weight_scale * torch.randn(layer.weight.shape, generator=generator))
    layer.bias.copy_(bias_scale * torch.randn(out, generator=generator))
    layer.weight[0] = 0
    return layer


exponents = st.integers(-30, 30).map(lambda e: 10.0**e)


@MANY
@given(exponents, exponents, st.integers(1, 60), st.integers(1, 4), st.sampled_from([1, 3, 5]), st.integers(0, 8))
def test_exponents_obey_the_bound_whatever_the_weights(weight_scale, bias_scale, into, out, kernel, in_bits):
    layer = crafted(weight_scale, bias_scale, into, out, kernel, in_bits, seed=into)
    weight, bias, shift = (value.double() for value in layer.integers())
    sums = weight.abs().flatten(1).sum(1) * ACTIVATION_MAX + bias.abs()
    assert sums.max() < ACCUMULATOR_LIMIT and weight.abs().max() <= WEIGHT_MAX
    for value in (weight, bias, shift):
        assert torch.equal(value, value.round())
    layer.freeze()  # which proves it again


def test_exponents_allow_for_rounding():
    """9000 weights of 1.51 with inputs of 1023 stay below 2**24; rounded to 2 they do not."""
    layer = ExactConv2d(9000, 1, 1)
    assert layer.weight is not None
    layer.weight.data.fill_(1.51)
    assert 9000 * 1.51 * 1023 < ACCUMULATOR_LIMIT < 9000 * 2 * 1023
    layer.freeze()


@MANY
@given(st.floats(1e-3, 1e3), st.integers(1, 40), st.sampled_from([1, 3]))
def test_exponents_waste_nothing(scale: float, into: int, kernel: int):
    """One more bit would break one of the two bounds."""
    layer = crafted(scale, 0.0, into, 3, kernel, BITS, seed=into)
    assert layer.weight is not None
    weight = layer.weight.detach().double()[1:] * torch.exp2(layer.exponents()[1:]).view(-1, 1, 1, 1)
    fan_in = weight[0].numel()
    largest, total = 2 * weight.abs().flatten(1).amax(1), 2 * weight.abs().flatten(1).sum(1)
    full = total * ACTIVATION_MAX + ACTIVATION_MAX * fan_in / 2 + 2 > ACCUMULATOR_LIMIT
    assert (full | (largest > WEIGHT_MAX + 0.49)).all()


def test_a_layer_over_the_bound_is_refused():
    layer = ExactConv2d(16, 1, 3)  # 144 weights of 127 with inputs of 1023: 18.7 million
    weight, none = torch.full((1, 16, 3, 3), 127.0), torch.zeros(1)
    with pytest.raises(WeightsError, match=r"18708624.*16777216"):
        layer.install(weight, none, none)
    assert layer.weight is not None, "refused means unchanged"
    weight[0, 13:] = 0  # 117 of them: 15.2 million
    layer.install(weight, none, none)
    assert torch.equal(layer(torch.full((1, 16, 3, 3), 1023.0)), torch.full((1, 1, 3, 3), 1023.0))


def test_the_bound_counts_the_bias_and_is_sharp():
    weight, none = torch.full((1, 1, 1, 1), 100.0), torch.zeros(1)
    room = ACCUMULATOR_LIMIT - 100 * 1023
    ExactConv2d(1, 1, 1).install(weight, torch.tensor([room - 1.0]), none)
    with pytest.raises(WeightsError, match="16777216"):
        ExactConv2d(1, 1, 1).install(weight, torch.tensor([-float(room)]), none)
    ExactConv2d(1, 1, 1, in_max=1022).install(weight, torch.tensor([-float(room)]), none)


@pytest.mark.parametrize("value", [128.0, -128.0, 0.5, math.nan, math.inf])
def test_weights_that_are_no_weights_are_refused(value: float):
    weight, none = torch.ones(2, 3, 1, 1), torch.zeros(2)
    weight[1, 2] = value
    with pytest.raises(WeightsError):
        ExactConv2d(3, 2, 1).install(weight, none, none)


@pytest.mark.parametrize("name", ["bias", "shift"])
@pytest.mark.parametrize("value", [0.25, math.nan, 2.0**25])
def test_biases_and_shifts_that_are_none_are_refused(name: str, value: float):
    parts = {"weight": torch.ones(2, 3, 1, 1), "bias": torch.zeros(2), "shift": torch.zeros(2)}
    parts[name][1] = value
    with pytest.raises(WeightsError):
        ExactConv2d(3, 2, 1).install(**parts)


def test_wrong_shapes_are_refused():
    layer = ExactConv2d(3, 2, 1)
    good = (torch.ones(2, 3, 1, 1), torch.zeros(2), torch.zeros(2))
    for place, wrong in ((0, torch.ones(2, 4, 1, 1)), (1, torch.zeros(1)), (2, torch.zeros(3))):
        with pytest.raises(WeightsError, match="shape"):
            layer.install(*(wrong if i == place else part for i, part in enumerate(good)))
    layer.install(*good)


def test_a_layer_that_can_never_be_exact_is_refused_at_once():
    ExactConv2d(1822, 1, 3)
    with pytest.raises(ContractError, match="16398 products"):
        ExactConv2d(1822, 1, 3, in_max=1024)


@pytest.mark.parametrize("leaky", [False, True])
@pytest.mark.parametrize("in_bits, out_bits", [(6, 6), (2, 6), (6, 3), (6, 8)])
def test_a_layer_against_fractions(leaky: bool, in_bits: int, out_bits: int):
    """Convolve, multiply by a power of two, leak, round half to even, clamp: in exact fractions."""
    layer = crafted(0.3, 1.0, 5, 4, 3, in_bits, seed=7)
    layer.out_bits, layer.leaky, layer.out_max = out_bits, leaky, 700
    x = integers(250 >> max(0, out_bits - in_bits), 1, 5, 4, 3)
    weight, bias, shift = (value.detach().long() for value in layer.integers())
    found, clamped = layer(x)[0], 0
    padded = np.pad(x[0].long().numpy(), ((0, 0), (1, 1), (1, 1)))
    for c in range(4):
        for i in range(4):
            for j in range(3):
                total = int((padded[:, i : i + 3, j : j + 3] * weight[c].numpy()).sum()) + int(bias[c])
                value = Fraction(total) * Fraction(2) ** int(shift[c])
                if leaky and value < 0:
                    value /= 8
                expected = max(-ACTIVATION_MAX, min(700, half_even(value)))
                clamped += expected != half_even(value)
                assert found[c, i, j] == expected
    assert clamped < 24, "a test of clamping only would be none"


def test_integers_stand_for_the_real_layer():
    """The integer layer is the float one up to the rounding of weights and output."""
    layer = crafted(0.2, 1.0, 8, 6, 3, BITS, seed=3)
    assert layer.weight is not None and layer.bias is not None
    layer.weight.data[0] = 0.1
    real = nn.Conv2d(8, 6, 3, padding=1)
    real.weight, real.bias = layer.weight, layer.bias
    x = integers(150, 2, 8, 10, 10)
    difference = layer(x) * 2.0**-BITS - real(x * 2.0**-BITS)
    assert difference.abs().max() < 0.12 and difference.abs().mean() < 0.02


def network() -> nn.Module:
    torch.manual_seed(5)
    net = nn.Sequential(
        ExactConv2d(6, 12, in_bits=2, in_max=255, leaky=True),
        ExactSubpixel(12, 8, leaky=True),
        ExactIGDN(8),
        ExactConv2d(8, 9, stride=2),
        ExactConv2d(9, 18, groups=9, out_bits=8),
        ExactTable(lambda x: 2 * torch.tanh(x), in_bits=8, in_max=511, out_bits=6),
    )
    for _, layer in exact_modules(net):
        if isinstance(layer, ExactConv2d):
            assert layer.weight is not None and layer.bias is not None
            layer.weight.data.mul_(2.5)
            layer.bias.data.add_(0.3 * torch.randn(layer.bias.shape))
    return net


def test_frozen_equals_training_to_the_bit():
    net = network()
    x = integers(255, 3, 6, 7, 5)
    trained = net(x)
    assert trained.requires_grad and trained.std() > 20
    freeze(net)
    frozen = net(x)
    assert torch.equal(frozen, trained) and not frozen.requires_grad
    assert not list(net.parameters())
    freeze(net)
    assert torch.equal(net(x), trained), "freezing twice changes nothing"


def test_gradients_reach_every_weight():
    net = network()
    net(integers(255, 3, 6, 7, 5)).square().mean().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and torch.isfinite(parameter.grad).all() and parameter.grad.any(), name


def test_every_integer_layer_is_found():
    assert [name for name, _ in exact_modules(network())] == ["0", "1.conv", "2.norm", "3", "4", "5"]


def test_frozen_layers_follow_their_network():
    """State dict and copies carry integers only; the scale is made from the shift again."""
    layer = crafted(0.3, 1.0, 5, 4, 3, BITS, seed=7)
    layer.freeze()
    assert set(layer.state_dict()) == {"int_weight", "int_bias", "shift"}
    assert layer.scale is not None and layer.shift is not None
    assert layer.scale.tolist() == [2.0 ** int(s) for s in layer.shift]


def test_table_against_the_function():
    table = ExactTable(torch.sigmoid, in_bits=6, in_max=511, out_bits=8)
    x = torch.arange(-700, 701.0)
    trained = table(x)
    table.freeze()
    assert torch.equal(table(x), trained)
    expected = [round(256 / (1 + math.exp(-max(-511, min(511, k)) / 64))) for k in range(-700, 701)]
    assert trained.tolist() == expected
    assert torch.equal(table(x.view(1, 3, 467, 1).to(memory_format=torch.channels_last)), trained.view(1, 3, 467, 1))


def test_bad_tables_are_refused():
    table = ExactTable(torch.sigmoid, in_bits=6, in_max=5, out_bits=8)
    for wrong in (
        torch.zeros(10),
        torch.zeros(12),
        torch.zeros(1, 11),
        torch.full((11,), 0.5),
        torch.full((11,), math.nan),
    ):
        with pytest.raises(WeightsError, match="table"):
            table.install(wrong)
    table.install(torch.arange(11))
    assert table(torch.tensor([-5.0, 0.0, 7.0])).tolist() == [0, 5, 10]


def test_subpixel_shuffles():
    layer = ExactSubpixel(3, 2)
    x = integers(900, 1, 3, 4, 5)
    y = layer(x)
    assert y.shape == (1, 2, 8, 10)
    assert torch.equal(y[0, 1, 1::2, 0::2], layer.conv(x)[0, 4 + 2])


@MANY
@given(st.integers(-1023, 1023), st.integers(-1023, 1023))
def test_igdn_is_a_product_of_integers(a: int, b: int):
    layer = ExactIGDN(2)
    x = torch.tensor([float(a), float(b)]).view(1, 2, 1, 1)
    norm = layer.norm(x.abs()).flatten().tolist()
    expected = [max(-1023, min(1023, half_even(Fraction(v * int(n), 256)))) for v, n in zip((a, b), norm, strict=True)]
    assert layer(x).flatten().tolist() == expected
    # beta 1, gamma 0.1 as it starts: x (1 + 0.1 |x|) with real x = a / 64
    assert abs(norm[0] / 256 - min(1023 / 256, 1 + 0.1 * abs(a) / 64)) < 0.01


@MANY
@given(st.integers(-(2**24) + 1, 2**24 - 1), st.integers(-20, 4))
def test_requantize_rounds_half_to_even(value: int, shift: int):
    expected = max(-1023, min(1023, half_even(Fraction(value) * Fraction(2) ** shift)))
    assert requantize(torch.tensor([float(value)]), shift).item() == expected


@MANY
@given(st.data(), st.integers(1, 12), st.integers(1, 12))
def test_mean_against_python_integers(data, height: int, width: int):
    """Rounded, ties up; the same number while training, where its gradient is the mean's."""
    values = data.draw(st.lists(st.integers(-1023, 1023), min_size=height * width, max_size=height * width))
    x = torch.tensor(values, dtype=torch.float32).view(1, 1, height, width)
    expected = math.floor(Fraction(sum(values), len(values)) + Fraction(1, 2))
    assert exact_mean(x).item() == expected
    x.requires_grad_()
    mean = exact_mean(x)
    assert mean.item() == expected
    mean.backward()
    assert x.grad is not None
    assert torch.allclose(x.grad, torch.full_like(x, 1 / len(values)))


def test_mean_of_a_large_picture():
    """A float32 sum of this many loses integers; the mean must not."""
    x = torch.full((1, 2, 1500, 1500), 1023.0)
    x[0, 1, :750] = -1022  # sums of about 2.3e9 and 1.1e6: the mean is exactly 0.5
    assert exact_mean(x).flatten().tolist() == [1023, 1]
    x[0, 1, 0, 0] -= 1
    assert exact_mean(x).flatten().tolist() == [1023, 0]
