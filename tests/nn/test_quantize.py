"""Rounding and clamping, and what their gradients do."""

from __future__ import annotations

import pytest
import torch

from codectk.nn.quantize import clamp_ste, round_ste


def test_round_is_half_to_even_with_a_straight_gradient():
    x = torch.tensor([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 0.49, 7.51], requires_grad=True)
    y = round_ste(x)
    assert y.tolist() == [-2, -2, 0, 0, 2, 2, 0, 8]
    weights = torch.arange(8.0)
    (y * weights).sum().backward()
    assert x.grad is not None and torch.equal(x.grad, weights)


@pytest.mark.parametrize(
    "value, gradient, passes",
    [
        (0.5, 1.0, True),
        (0.5, -1.0, True),
        (1.0, -1.0, True),  # on the bound: may go either way
        (-1.0, 1.0, True),
        (2.0, 1.0, True),  # above: descending leads back inside
        (2.0, -1.0, False),  # above: would go further out
        (-2.0, -1.0, True),
        (-2.0, 1.0, False),
    ],
)
def test_clamp_lets_values_come_back(value: float, gradient: float, passes: bool):
    x = torch.tensor([value], requires_grad=True)
    y = clamp_ste(x, -1.0, 1.0)
    assert y.item() == max(-1.0, min(1.0, value))
    (y * gradient).sum().backward()
    assert x.grad is not None and x.grad.item() == (gradient if passes else 0.0)


def test_a_descent_from_outside_arrives():
    x = torch.tensor([5.0, -5.0], requires_grad=True)
    for _ in range(40):
        (gradient,) = torch.autograd.grad((clamp_ste(x, -1.0, 1.0) - 0.25).square().sum(), x)
        x = (x - 0.2 * gradient).detach().requires_grad_()
    assert torch.allclose(x, torch.full_like(x, 0.25), atol=1e-2)
