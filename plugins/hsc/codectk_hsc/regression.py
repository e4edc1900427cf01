"""Style codes by linear regression: where the encoder's own head starts from.

A deep head alone took thousands of steps to find half of what least squares finds at once in frozen ImageNet features
and a coarse copy of the picture; so the regression stays in the network, and the head learns what it leaves.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk_hsc.config import Config

GRID, PIXELS = 4, 16
"""Sides to which features and picture are averaged."""


class Fixed(nn.Module):
    """A linear map whose weight no step changes."""

    weight: Tensor

    def __init__(self, inputs: int, outputs: int):
        super().__init__()
        self.register_buffer("weight", torch.zeros(outputs, inputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight)


class Regression(nn.Module):
    """Pictures (B, 3, n, n) and their ImageNet features (B, C, m, m) -> coordinates (B, slots, components).

    Nothing here is trained by steps: `codectk_hsc.training.regress` solves for it. Untouched, it says zero.
    """

    center: Tensor
    spread: Tensor
    bias: Tensor

    def __init__(self, config: Config, channels: int):
        super().__init__()
        c = config
        seen, made = channels * GRID**2 + 3 * PIXELS**2, c.slots * c.components
        self.slots = c.slots
        self.register_buffer("center", torch.zeros(seen))
        self.register_buffer("spread", torch.ones(seen))
        self.register_buffer("bias", torch.zeros(made))
        self.project, self.expand = Fixed(seen, c.regression_rank), Fixed(c.regression_rank, made)

    def forward(self, x: Tensor, features: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            z = (evidence(x, features) - self.center) / self.spread
            return (self.expand(self.project(z)) + self.bias).unflatten(1, (self.slots, -1))


def evidence(x: Tensor, features: Tensor) -> Tensor:
    """What is regressed on, float32 (B, C GRID^2 + 3 PIXELS^2)."""
    pooled = (F.adaptive_avg_pool2d(features.float(), GRID), F.adaptive_avg_pool2d(x.float(), PIXELS))
    return torch.cat([part.flatten(1) for part in pooled], 1)
