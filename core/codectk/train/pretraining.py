"""A discriminator trained alone, on real pictures: its warm-up as a segmentation network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codectk.train.adversary import Adversary
from codectk.train.data import Crops
from codectk.train.labels import LabelMaps
from codectk.train.recipe import Recipe
from codectk.train.scale import World
from codectk.train.steps import Measured, Steps


class Pretrainer(Steps):
    """Trains a discriminator by its `pretraining_loss`; the checkpoint holds no codec.

    Args:
        recipe, crops, labels, world, device: as for `Steps`.
        discriminator: the module to train.

    Raises:
        UsageError: as `Steps`.
    """

    def __init__(
        self,
        recipe: Recipe,
        discriminator: nn.Module,
        crops: Crops,
        labels: LabelMaps | None,
        world: World,
        device: torch.device,
    ):
        super().__init__(recipe, crops, labels, world, device)
        self.adversary = Adversary(discriminator, recipe, device, self._autocast)
        self.descents = (self.adversary.descent,)

    def _measure(self) -> Measured:
        return self.adversary.pretrain(self._pictures(), self._label_maps(), self.step)

    def _backward(self) -> dict[str, Tensor]:
        loss, row = self._measure()
        self.adversary.descent.backward(loss)
        return row

    def _suspects(self) -> tuple[nn.Module, Callable[[], Tensor]]:
        return self.adversary.module, lambda: self._measure().loss

    def _stepped(self) -> None:
        """Nothing follows a step."""

    def _state(self) -> dict[str, Any]:
        return {
            "network": {},
            "ema": {"steps": 0, "values": {}},
            "optimizer": {},
            "discriminator": self.adversary.state(),
        }

    def _load(self, state: Mapping[str, Any], saved: Recipe) -> None:
        self.adversary.load(state["discriminator"])
