"""The moving average of the weights, which is what gets exported."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn


class Average:
    """Exponential moving average of a network's parameters and buffers.

    The factor warms up as (1 + t) / (10 + t), so early averages do not remember the initialization.

    Args:
        network: where to start.
        factor: share of the old average in [0, 1].
        fixed: names of parameters that are not trained; their averages stay what they are, to the bit.
    """

    def __init__(self, network: nn.Module, factor: float, fixed: Iterable[str] = ()):
        self.factor = factor
        self.fixed = frozenset(fixed)
        self.steps = 0
        self.values = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        self.steps += 1
        factor = min(self.factor, (1 + self.steps) / (10 + self.steps))
        floats, currents = [], []
        for key, value in network.state_dict().items():
            if key in self.fixed:
                continue
            if value.dtype.is_floating_point:
                floats.append(self.values[key])
                currents.append(value)
            else:
                self.values[key].copy_(value)
        torch._foreach_lerp_(floats, currents, 1 - factor)

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps, "values": self.values}

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state()`; values stay on the device of the network."""
        self.steps = state["steps"]
        for key, value in self.values.items():
            value.copy_(state["values"][key])
