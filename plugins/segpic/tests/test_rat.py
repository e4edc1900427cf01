"""The region-adaptive transform: its dynamic convolution, and its integer form against its float form."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.nn.exact import ACCUMULATOR_LIMIT, ACTIVATION_MAX, LEAK, ExactConv2d, exact_math, freeze
from codectk.programs.slices import BITS
from codectk_segpic.rat import RAT, ExactRAT, dynamic_depthwise

pytestmark = pytest.mark.portable


def by_unfolding(u: Tensor, kernels: Tensor) -> Tensor:
    """v[c, p] = sum_t K[c, t, p] u[c, p + t]."""
    b, c, h, w = u.shape
    patches = F.unfold(u, 3, padding=1).view(b, c, 9, h, w)
    return torch.einsum("bcthw,bcthw->bchw", kernels.reshape(b, c, 9, h, w), patches)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_dynamic_convolution_equals_unfolding(layout: torch.memory_format):
    u = torch.randn(2, 5, 6, 7, dtype=torch.float64, requires_grad=True)
    kernels = torch.randn(2, 45, 6, 7, dtype=torch.float64, requires_grad=True)
    found = dynamic_depthwise(u.to(memory_format=layout), kernels.to(memory_format=layout))
    expected = by_unfolding(u, kernels)
    assert torch.allclose(found, expected)
    way = torch.randn_like(found)
    for a, b in zip(
        torch.autograd.grad((found * way).sum(), (u, kernels)),
        torch.autograd.grad((expected * way).sum(), (u, kernels)),
        strict=True,
    ):
        assert torch.allclose(a, b)


def test_dynamic_convolution_of_integers_is_exact():
    """The bound 9 * 1023 * 1023 < 2**24 is met with room, so the order of the nine sums is of no matter."""
    assert 9 * ACTIVATION_MAX**2 < ACCUMULATOR_LIMIT
    generator = torch.Generator().manual_seed(0)
    u = torch.randint(-1023, 1024, (1, 3, 9, 9), generator=generator).float()
    kernels = torch.randint(-1023, 1024, (1, 27, 9, 9), generator=generator).float()
    u[0, 0], kernels[0, :9] = 1023, 1023
    assert torch.equal(dynamic_depthwise(u, kernels).double(), by_unfolding(u.double(), kernels.double()))


def pair(channels: int = 6, prototypes: int = 5, mid: int = 4) -> tuple[RAT, ExactRAT]:
    """A float transform and an integer one with the same weights and the same slope of the leaky ReLU."""
    torch.manual_seed(2)
    exact = ExactRAT(channels, prototypes, mid)
    real = RAT(channels, prototypes, mid)
    theirs = [module for module in real.modules() if isinstance(module, nn.Conv2d)]
    ours = [module for module in exact.modules() if isinstance(module, ExactConv2d)]
    assert len(ours) == len(theirs) == 8
    for a, b in zip(ours, theirs, strict=True):
        assert a.weight is not None and a.bias is not None and b.bias is not None
        a.weight.data.mul_(0.4)  # far from every clamp
        a.bias.data.normal_(0, 0.2)
        b.weight.data.copy_(a.weight)
        b.bias.data.copy_(a.bias)
    for module in real.modules():
        if isinstance(module, nn.LeakyReLU):
            module.negative_slope = LEAK
    return real, exact


@torch.no_grad()
def test_integers_agree_with_floats_in_real_terms():
    real, exact = pair()
    feature, prototypes = (torch.round(64 * 2 * torch.randn(2, c, 9, 7)) for c in (6, 5))
    freeze(exact)
    with exact_math():
        found = exact(feature, prototypes)
    assert found.shape == feature.shape and torch.equal(found, found.round()) and found.abs().max() < ACTIVATION_MAX
    expected = real(feature * 2.0**-BITS, prototypes * 2.0**-BITS)
    change = expected - feature * 2.0**-BITS
    difference = found * 2.0**-BITS - expected
    assert change.std() > 0.1, "the transform does something"
    assert difference.std() < 0.1 * change.std() and difference.abs().max() < 0.2
    # and so does the network that is still training
    _, training = pair()
    assert torch.equal(training(feature, prototypes), found)


@torch.no_grad()
def test_integers_stay_within_their_range():
    """Inputs at the bound everywhere and weights that drive everything against it."""
    _, exact = pair()
    for layer in exact.modules():
        if isinstance(layer, ExactConv2d):
            assert layer.weight is not None
            layer.weight.mul_(50)
    freeze(exact)
    x = torch.full((1, 6, 8, 8), 1023.0)
    x[:, ::2] = -1023
    y = exact(x, x[:, :5])
    assert y.abs().max() <= ACTIVATION_MAX and torch.equal(y, y.round())


@torch.no_grad()
def test_regions_steer_the_kernels():
    real, exact = pair()
    freeze(exact)
    feature = torch.round(100 * torch.randn(1, 6, 8, 8))
    for transform in (real, exact):
        outs = [transform(feature, torch.full((1, 5, 8, 8), v)) for v in (-100.0, 100.0)]
        assert not torch.allclose(*outs)
