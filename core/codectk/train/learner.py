"""What all trainings of a codec's network share: its optimizer, its moving average and its part of a checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from codectk.base.errors import UsageError
from codectk.pipeline import wire
from codectk.train.average import Average
from codectk.train.data import Crops
from codectk.train.descent import Descent
from codectk.train.labels import LabelMaps
from codectk.train.recipe import Recipe
from codectk.train.scale import World
from codectk.train.stage import trained
from codectk.train.steps import Steps


class Learner(Steps):
    """Trains a network that wires its stages into a codec (`network.codec()`).

    Args:
        recipe, crops, labels, world, device: as for `Steps`.
        network: the module to train, with the weights it starts from.

    Raises:
        UsageError: the recipe does not fit the codec, the data or the number of processes.
        ContractError: the stages do not fit together.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        crops: Crops,
        labels: LabelMaps | None,
        world: World,
        device: torch.device,
    ):
        super().__init__(recipe, crops, labels, world, device)
        self.network = network.to(device=device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.codec = network.codec()  # type: ignore[operator]
        wire.check(self.codec)
        if recipe.data.crop % self.codec.stride:
            raise UsageError(f"Crops for {self.codec.id} must be multiples of {self.codec.stride} pixels.")
        names = [name for name, _ in network.named_parameters()]
        chosen = trained(names, recipe.stage.train)
        self.descent = Descent(self.network, chosen, recipe.optim)
        self.descents = [self.descent]
        self.average = Average(self.network, recipe.optim.ema, set(names).difference(chosen))

    def _stepped(self) -> None:
        self.average.update(self.network)

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.network.state_dict(),
            "ema": self.average.state(),
            "optimizer": self.descent.optimizer.state_dict(),
        }

    def _load(self, state: Mapping[str, Any], saved: Recipe) -> None:
        self.network.load_state_dict(state["network"])
        parameters = dict(self.network.named_parameters())
        before = [name for name in state["network"] if name in parameters]
        self.descent.load(state["optimizer"], trained(before, saved.stage.train))
        self.average.load(state["ema"])
