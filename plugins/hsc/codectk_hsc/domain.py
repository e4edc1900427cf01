"""Whether a picture is a face at all.

For a face, the styles say most of what there is to say. What they leave, y, is louder in anything else: its energy,
compared with that of faces in training, tells the two apart.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

LIMIT = 3.0
"""Deviations above the mean of training from which on a picture counts as none."""

MOMENTUM = 0.01


class Domain(nn.Module):
    """Statistics of the energy of y in training: running mean and variance of the logarithm of its mean square."""

    mean: Tensor
    variance: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("variance", torch.ones(1))

    @torch.no_grad()
    def observe(self, y: Tensor) -> None:
        """Take in y (B, latent, cut, cut) of faces."""
        energy = _energy(y)
        self.mean.lerp_(energy.mean(), MOMENTUM)
        self.variance.lerp_((energy - self.mean).square().mean(), MOMENTUM)

    @torch.no_grad()
    def strangeness(self, y: Tensor) -> float:
        """Deviations by which one picture's y is louder than that of faces."""
        return float((_energy(y)[0] - self.mean) / self.variance.sqrt())


def _energy(y: Tensor) -> Tensor:
    return torch.log(y.float().square().mean((1, 2, 3)) + 1e-6)
