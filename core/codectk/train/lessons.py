"""Training in which the network says itself what it is to learn, as where a picture's latents are known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from codectk.base.errors import ContractError
from codectk.train import draws
from codectk.train.data import Crops
from codectk.train.labels import LabelMaps
from codectk.train.learner import Learner
from codectk.train.losses import Distortion, Mixture
from codectk.train.recipe import Recipe
from codectk.train.scale import World
from codectk.train.steps import Measured


class Batch(NamedTuple):
    """What a step learns from.

    Attributes:
        pictures: float32 (B, 3, H, W) in [0, 1].
        labels: int64 (B, H, W), 0 void, 1..N groups; None where the recipe names none.
        files: where each picture was read.
        noise: random numbers of each sample's own, on the CPU, such as for a `Meter`.
        distortion: the mixture of the recipe's [loss].
    """

    pictures: Tensor
    labels: Tensor | None
    files: Sequence[Path]
    noise: Sequence[torch.Generator]
    distortion: Distortion


class Teacher(Protocol):
    """What a network needs for the objective "lesson"."""

    def lesson(self, name: str, batch: Batch) -> Mapping[str, Tensor]:
        """One step's losses.

        Random numbers that the batch shares come from torch's global generator, which is seeded for the step.

        Args:
            name: which lesson, `stage.lesson` of the recipe.
            batch: what to learn from.

        Returns:
            Scalars by name. Their sum is descended, but for names that start with "~", which are only logged.
        """


class Lessons(Learner):
    """Descends the losses that `network.lesson` names.

    Args:
        recipe, network, crops, labels, world, device: as for `Learner`.

    Raises:
        As `Learner` and `Mixture`, and ContractError: the network has no lesson.
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
        if not callable(getattr(network, "lesson", None)):
            raise ContractError(f"The network of codec '{recipe.codec.name}' has no lesson of its own to learn.")
        super().__init__(recipe, network, crops, labels, world, device)
        self.distortion = Mixture(recipe.loss, recipe.data.crop, device)

    def _measure(self) -> Measured:
        seed = self.recipe.optim.seed
        noise = [draws.noise(seed, self.step, sample) for sample in self.share]
        files = [self.crops.files[self.crops.cut(self.step, sample).index] for sample in self.share]
        batch = Batch(self._pictures(), self._label_maps(), files, noise, self.distortion)
        draws.seed_shared(seed, self.step)
        with self._autocast():
            terms = self.network.lesson(self.recipe.stage.lesson, batch)
        loss = torch.stack([term for name, term in terms.items() if not name.startswith("~")]).sum()
        return Measured(loss, {"loss": loss.detach(), **{k.removeprefix("~"): v.detach() for k, v in terms.items()}})

    def _backward(self) -> dict[str, Tensor]:
        loss, row = self._measure()
        self.descent.backward(loss)
        return row

    def _suspects(self) -> tuple[nn.Module, Callable[[], Tensor]]:
        return self.network, lambda: self._measure().loss
