"""Gains over the quality axis."""

from __future__ import annotations

import math

import pytest
import torch

from codectk.nn.gain import Gain


def test_starts_as_a_geometric_ramp():
    gain = Gain(3, 0.5, 8.0)
    for quality in (0.0, 10.0, 33.3, 50.0, 99.0, 100.0):
        expected = 0.5 * 16 ** (quality / 100)
        assert torch.allclose(gain(quality), torch.full((1, 3, 1, 1), expected), rtol=1e-5)


def test_starts_from_a_curve():
    gain = Gain(2, 0.5, 1.0, 8.0)
    starts = [gain(quality)[0, 0].item() for quality in (0.0, 20.0, 40.0, 60.0, 100.0)]
    assert starts == pytest.approx([0.5, 0.5 * 2**0.4, 0.5 * 2**0.8, 8**0.2, 8.0])


def test_interpolates_between_two_learned_knots():
    """Exponential interpolation: the logarithm is linear from knot to knot, and only two knots matter."""
    gain = Gain(2, 1.0, 1.0, knots=6)
    values = torch.tensor([[1.0, 3.0], [2.0, 0.5], [4.0, 1.0], [9.0, 2.0], [5.0, 7.0], [6.0, 6.0]])
    with torch.no_grad():
        gain.log_gain.copy_(torch.log(values))
    for knot in range(6):
        assert torch.allclose(gain(20.0 * knot).flatten(), values[knot])
    assert torch.allclose(gain(30.0).flatten(), torch.sqrt(values[1] * values[2]))
    assert torch.allclose(gain(95.0).flatten(), values[4] ** 0.25 * values[5] ** 0.75)
    gain(30.0).sum().backward()
    assert gain.log_gain.grad is not None
    assert (gain.log_gain.grad != 0).any(1).tolist() == [False, True, True, False, False, False]


def test_a_batch_has_its_own_qualities():
    gain = Gain(4, 0.3, 3.0)
    qualities = torch.tensor([0.0, 37.5, 100.0])
    together = gain(qualities)
    assert together.shape == (3, 4, 1, 1)
    for one, quality in zip(together, qualities, strict=True):
        assert torch.equal(one, gain(float(quality))[0])


@pytest.mark.parametrize("outside, edge", [(-5.0, 0.0), (180.0, 100.0)])
def test_outside_the_axis_its_end_holds(outside: float, edge: float):
    gain = Gain(1, 0.3, 3.0)
    assert torch.equal(gain(outside), gain(edge))
    assert math.isclose(gain(edge).item(), 0.3 if edge == 0 else 3.0, rel_tol=1e-5)
