"""Steps of training, whatever is trained.

A step is a function of (recipe, step number, weights) alone, so a resumed run repeats an uninterrupted one exactly
(on the same machine, device and number of threads), and several processes take the same step as one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from codectk.base.errors import TrainingError
from codectk.train.data import Crops
from codectk.train.descent import Descent
from codectk.train.finite import culprit
from codectk.train.labels import LabelMaps
from codectk.train.recipe import Recipe, from_dict
from codectk.train.scale import World


class Measured(NamedTuple):
    """What a forward pass gave: the loss to descend, and the means to log by name."""

    loss: Tensor
    row: dict[str, Tensor]


class Steps(ABC):
    """What all kinds of training share: data in, gradients averaged over processes, checked, clipped and applied.

    Args:
        recipe: everything that decides the result.
        crops: training data.
        labels: label maps of the training data, where they are needed.
        world: place among processes.
        device: where to compute.

    Attributes:
        step: steps done.
        descents: what is trained, by one optimizer each.

    Raises:
        UsageError: the batch cannot be split over the processes.
    """

    descents: Sequence[Descent]

    def __init__(self, recipe: Recipe, crops: Crops, labels: LabelMaps | None, world: World, device: torch.device):
        self.recipe, self.crops, self.labels, self.world, self.device = recipe, crops, labels, world, device
        self.share = world.share(recipe.data.batch)
        self.step = 0

    def train_step(self, stop: Callable[[], bool] = lambda: False) -> tuple[dict[str, float], bool]:
        """One step of every optimizer over this process's share of the global batch.

        Args:
            stop: whether this process wants to stop; asked late, after the forward and backward pass.

        Returns:
            Means over the global batch (losses, what came of them, gradient norms), and whether any process wants to
            stop; both are the same in all processes.

        Raises:
            TrainingError: a loss or a gradient is not finite; the weights are as before the step.
        """
        row = self._backward()
        gradients = [descent.gradients() for descent in self.descents]
        means = torch.stack([*row.values(), torch.tensor(float(stop()), device=self.device)])
        self.world.average([*(gradient for some in gradients for gradient in some), means])
        norms = [torch.linalg.vector_norm(torch.stack(torch._foreach_norm(some))) for some in gradients]
        values = torch.cat([means, torch.stack(norms)]).tolist()
        names = [*row, "stop", *(f"{descent.prefix}grad" for descent in self.descents)]
        logged = dict(zip(names, values, strict=True))
        wishes = logged.pop("stop")
        self._check(logged)
        for descent, some, norm in zip(self.descents, gradients, norms, strict=True):
            descent.descend(some, norm, self.step)
        self._stepped()
        self.step += 1
        return logged, wishes > 0

    def rates(self) -> dict[str, float]:
        """The learning rates of the last step, as they are logged."""
        return {f"{descent.prefix}lr": descent.rate(self.step - 1) for descent in self.descents}

    @property
    def digest(self) -> int:
        """32-bit check of the training data."""
        return self.crops.digest ^ (self.labels.digest if self.labels else 0)

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on from here; tensors are not copied."""
        return {"step": self.step, "recipe": self.recipe.as_dict(), "data": self.digest, **self._state()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: it was made for another network, or for another kind of training.
        """
        saved = from_dict(state["recipe"])
        if saved.network != self.recipe.network:
            raise TrainingError("The checkpoint was made for another network than this recipe's.")
        if saved.stage.objective != self.recipe.stage.objective:
            raise TrainingError("The checkpoint was made with another stage.objective than this recipe's.")
        try:
            self._load(state, saved)
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise TrainingError(f"The checkpoint does not fit the network: {reason}") from error
        self.step = state["step"]

    @abstractmethod
    def _backward(self) -> dict[str, Tensor]:
        """Compute the gradients of all descents over this process's share; returns the means to log by name."""

    @abstractmethod
    def _suspects(self) -> tuple[nn.Module, Callable[[], Tensor]]:
        """What to search when a value is not finite: modules, and what runs the step again up to its loss."""

    @abstractmethod
    def _stepped(self) -> None:
        """Called after the optimizers' steps."""

    @abstractmethod
    def _state(self) -> dict[str, Any]:
        """The weights' part of the checkpoint."""

    @abstractmethod
    def _load(self, state: Mapping[str, Any], saved: Recipe) -> None:
        """Take the weights' part of a checkpoint that was made by the recipe `saved`.

        Raises:
            RuntimeError, ValueError, KeyError: they do not fit.
        """

    def _pictures(self) -> Tensor:
        """This process's share of the step's crops: float32 (B, 3, H, W) in [0, 1]."""
        pixels = np.stack([self.crops.draw(self.step, sample) for sample in self.share])
        return (torch.from_numpy(pixels).to(self.device).float() / 255).permute(0, 3, 1, 2)

    def _label_maps(self) -> Tensor | None:
        """The labels under `_pictures`: int64 (B, H, W)."""
        if self.labels is None:
            return None
        maps = np.stack([self.labels.draw(self.step, sample) for sample in self.share])
        return torch.from_numpy(maps).to(self.device).long()

    def _autocast(self) -> AbstractContextManager[None]:
        """Where networks run: in the recipe's precision."""
        precision = self.recipe.optim.precision
        lower = precision != "float32"
        return torch.autocast(self.device.type, getattr(torch, precision) if lower else None, enabled=lower)

    def _check(self, logged: Mapping[str, float]) -> None:
        for prefix, owner in (("", ""), ("d_", " of the discriminator")):
            for name, what in (("loss", "The loss"), ("grad", "A gradient")):
                if not np.isfinite(logged.get(prefix + name, 0.0)):
                    reason = culprit(*self._suspects())
                    raise TrainingError(f"{what}{owner} is not finite at step {self.step}: {reason}.")
