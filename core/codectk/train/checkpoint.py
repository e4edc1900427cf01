"""Checkpoints: written atomically, read safely."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.errors import TrainingError


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` beside `path`, flush it to disk, and move it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint without running code from it.

    Raises:
        TrainingError: the file is missing or not a checkpoint of ours.
    """
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise TrainingError(f"there is no checkpoint at {path}.") from error
    except Exception as error:
        raise TrainingError(f"{path} is not a readable checkpoint: {error}.") from error
    if not isinstance(state, dict) or not {"step", "network", "ema", "optimizer", "recipe"} <= set(state):
        raise TrainingError(f"{path} is not a codectk checkpoint.")
    return state


class Average:
    """Exponential moving average of a network's parameters and buffers, the weights that are exported.

    The factor warms up as (1 + t) / (10 + t), so early averages do not remember the initialization.
    """

    def __init__(self, network: nn.Module, factor: float):
        self.factor = factor
        self.steps = 0
        self.values = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        self.steps += 1
        factor = min(self.factor, (1 + self.steps) / (10 + self.steps))
        floats, currents = [], []
        for key, value in network.state_dict().items():
            if value.dtype.is_floating_point:
                floats.append(self.values[key])
                currents.append(value)
            else:
                self.values[key].copy_(value)
        torch._foreach_lerp_(floats, currents, 1 - factor)

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps, "values": self.values}

    def load(self, state: dict[str, Any]) -> None:
        self.steps = state["steps"]
        self.values = {k: v.clone() for k, v in state["values"].items()}


def first_not_finite(tensors: dict[str, Tensor]) -> str | None:
    """Name of the first tensor with NaN or infinity."""
    return next((name for name, t in tensors.items() if not torch.isfinite(t).all()), None)
