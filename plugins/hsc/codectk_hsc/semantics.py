"""SCN: all style codes of a face as one short vector of integers, the core semantics.

Each direction is a linear map, which for Gaussian codes would be the best there is, and hidden units beside it.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.programs.slices import VALUE_MAX
from codectk_hsc.config import Config

SLOPE = 0.2
START = 3.0
"""The core code starts at several steps: values that all round to zero say nothing and never learn to speak."""


class SemanticEncoder(nn.Module):
    """Coordinates (B, slots, components) -> core code (B, core, 1, 1), real, to be rounded."""

    def __init__(self, config: Config):
        super().__init__()
        c = config
        wide = c.slots * c.components
        self.linear = nn.Linear(wide, c.core)
        self.hidden = nn.Sequential(
            nn.Linear(wide, c.core_hidden), nn.LeakyReLU(SLOPE), nn.Linear(c.core_hidden, c.core)
        )
        _begin(self.linear, self.hidden, _mean_over_slots(c) * START)

    def forward(self, coordinates: Tensor) -> Tensor:
        x = coordinates.flatten(1)
        return (self.linear(x) + self.hidden(x)).float()[:, :, None, None]


class SemanticDecoder(nn.Module):
    """Core code (B, core, 1, 1) -> coordinates (B, slots, components)."""

    def __init__(self, config: Config):
        super().__init__()
        c = config
        self.shape = (c.slots, c.components)
        wide = c.slots * c.components
        self.linear = nn.Linear(c.core, wide)
        self.hidden = nn.Sequential(
            nn.Linear(c.core, c.core_hidden), nn.LeakyReLU(SLOPE), nn.Linear(c.core_hidden, wide)
        )
        _begin(self.linear, self.hidden, _mean_over_slots(c).T * (c.slots / START))

    def forward(self, core: Tensor) -> Tensor:
        x = F.hardtanh(core.flatten(1), -VALUE_MAX, VALUE_MAX)
        return (self.linear(x) + self.hidden(x / START)).float().unflatten(1, self.shape)


def _mean_over_slots(c: Config) -> Tensor:
    """(core, slots * components): leading values of the core code are means of the leading components."""
    matrix = torch.zeros(c.core, c.slots * c.components)
    count = min(c.core, c.components)
    matrix[:count] = torch.eye(c.components)[:count].repeat(1, c.slots) / c.slots
    return matrix


@torch.no_grad()
def _begin(linear: nn.Linear, hidden: nn.Sequential, matrix: Tensor) -> None:
    """Start near a linear map that makes sense, with silence beside it."""
    linear.weight.mul_(0.1).add_(matrix)
    linear.bias.zero_()
    last = hidden[-1]
    assert isinstance(last, nn.Linear)
    last.weight.mul_(0.1)
