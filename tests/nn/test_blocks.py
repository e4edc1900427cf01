"""Shared blocks: GDN against its formula, upsampling."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codectk.nn.blocks import BETA_MIN, GDN, PEDESTAL, conv3x3, subpixel


@pytest.mark.parametrize("inverse", [False, True])
def test_gdn_against_its_formula(inverse: bool):
    """y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2), the inverse multiplies."""
    torch.manual_seed(0)
    layer = GDN(4, inverse)
    with torch.no_grad():
        layer.beta.add_(0.5 * torch.rand(4))
        layer.gamma.add_(0.3 * torch.rand(4, 4))
    x = torch.randn(2, 4, 3, 5)
    beta = layer.beta.detach().double().numpy() ** 2 - PEDESTAL
    gamma = layer.gamma.detach().double().numpy() ** 2 - PEDESTAL
    v = x.double().numpy()
    root = np.sqrt(beta[None, :, None, None] + np.einsum("ij,bjhw->bihw", gamma, v**2))
    expected = v * root if inverse else v / root
    assert np.allclose(layer(x).detach().numpy(), expected, rtol=1e-5, atol=1e-6)


def test_gdn_starts_as_published():
    """beta 1, gamma 0.1 on the diagonal."""
    x = torch.randn(1, 3, 4, 4)
    assert torch.allclose(GDN(3)(x), x / torch.sqrt(1 + 0.1 * x**2), atol=1e-6)


def test_gdn_stays_positive_and_learns_on():
    """Beyond their bounds, weights count as the bound, but a gradient that leads back still reaches them."""
    layer = GDN(3)
    with torch.no_grad():
        layer.beta.fill_(-1.0)
        layer.gamma.fill_(-0.5)
    x = torch.randn(2, 3, 4, 4)
    y = layer(x)
    assert torch.isfinite(y).all()
    assert torch.allclose(y, x / BETA_MIN**0.5, rtol=1e-3)
    y.square().mean().backward()  # falls when the norms rise
    for parameter in (layer.beta, layer.gamma):
        assert parameter.grad is not None and (parameter.grad < 0).all()


def test_upsampling_doubles_and_convolution_keeps():
    x = torch.randn(2, 3, 5, 7)
    assert subpixel(3, 4)(x).shape == (2, 4, 10, 14)
    assert subpixel(3, 4, 5)(x).shape == (2, 4, 10, 14)
    assert conv3x3(3, 4)(x).shape == (2, 4, 5, 7)
    assert conv3x3(3, 4, 2)(x).shape == (2, 4, 3, 4)
