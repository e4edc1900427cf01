"""The StyleGAN2 network, against a second implementation."""

from __future__ import annotations

import pytest
import torch

from codectk.base.errors import UsageError
from codectk_hsc.generators.stylegan2 import StyleGAN2, widths
from codectk_hsc.generators.stylegan2_files import from_arrays

CHANNELS = {4: 8, 8: 8, 16: 6, 32: 4}


@pytest.fixture
def arrays(fill):
    with torch.device("meta"):
        return fill(StyleGAN2(10, 3, CHANNELS))


@pytest.mark.parametrize(
    ("size", "multiplier", "parameters", "synthesis"),
    [
        (1024, 2, 30_370_060, 28_268_812),
        (512, 2, 30_276_583, 28_175_335),
        (256, 2, 30_034_338, 27_933_090),
        (256, 1, 24_767_458, 22_666_210),
    ],
)
def test_published_sizes(size, multiplier, parameters, synthesis):
    with torch.device("meta"):
        network = StyleGAN2(512, 8, widths(size, multiplier))
    total = sum(parameter.numel() for parameter in network.parameters())
    mapping = sum(parameter.numel() for parameter in network.style.parameters())
    assert (total, total - mapping) == (parameters, synthesis)
    assert (network.size, network.slots) == (size, {1024: 18, 512: 16, 256: 14}[size])
    assert network.channels[16] == 512


def test_there_are_no_other_sizes():
    for size in (4, 100, 2048):
        with pytest.raises(UsageError, match=f"no StyleGAN2 of {size} pixels"):
            widths(size)


def test_against_the_second_implementation(arrays, reference):
    network = from_arrays(arrays, "arrays")
    styles = torch.randn(3, network.slots, network.dim)
    picture, features = reference.stylegan2(arrays, styles)
    torch.testing.assert_close(network.picture(styles).double(), picture / 2 + 0.5, atol=1e-4, rtol=1e-4)
    for cut in network.channels:
        torch.testing.assert_close(network.low(styles, cut).double(), features[cut], atol=1e-4, rtol=1e-4)
    assert set(network.channels) == set(features) - {32}


def test_mapping(arrays):
    network = from_arrays(arrays, "arrays")
    z = torch.randn(2, 10)
    x = (z / (z.square().mean(1, keepdim=True) + 1e-8).sqrt()).numpy()
    for number in (1, 2, 3):
        x = x @ arrays[f"style.{number}.weight"].T * (0.01 / 10**0.5) + arrays[f"style.{number}.bias"] * 0.01
        x = 2**0.5 * x.clip(min=0) + 0.2 * 2**0.5 * x.clip(max=0)
    torch.testing.assert_close(network.styles(z), torch.from_numpy(x), atol=1e-5, rtol=1e-4)


def test_the_cut_keeps_the_coarse_part_of_the_picture(arrays):
    network = from_arrays(arrays, "arrays")
    styles = torch.randn(2, network.slots, network.dim)
    whole = network.picture(styles)
    for cut in network.channels:
        torch.testing.assert_close(network.high(network.low(styles, cut), styles), whole)
        torch.testing.assert_close(network.onward(network.low(styles, 4), styles, cut), network.low(styles, cut))
    # With another feature the picture still has the coarse part that the styles alone give.
    colored = styles.clone()
    colored[:, 1] += 1
    feature = torch.randn(2, 6, 16, 16)
    assert torch.equal(network.low(colored, 4), network.low(styles, 4))
    change = network.high(feature, colored, 4) - network.high(feature, styles, 4)
    assert change.abs().min() > 1e-4


def test_gradients_reach_styles_and_features_but_not_the_weights(arrays):
    network = from_arrays(arrays, "arrays")
    styles = torch.randn(2, network.slots, network.dim, requires_grad=True)
    feature = network.low(styles).detach().requires_grad_()
    network.picture(styles).square().mean().backward()
    assert (styles.grad.abs().sum((0, 2)) > 0).all()
    network.high(feature, styles.detach()).square().mean().backward()
    assert feature.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())
