"""One step of training, whatever is trained: crops in, gradients averaged over processes, checked, clipped, applied.

A step is a function of (recipe, step number, weights) alone, so a resumed run repeats an uninterrupted one exactly
(on the same machine, device and number of threads), and several processes take the same step as one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from codectk.base.errors import TrainingError, UsageError
from codectk.graph import wire
from codectk.spec.training import Lesson
from codectk.train import objectives
from codectk.train.adversary import Adversary, build_discriminator, load_pretrained
from codectk.train.data import Crops, LabelMaps
from codectk.train.finite import culprit
from codectk.train.network import begin, build, card_of, knob_values, trained
from codectk.train.objectives import Drawn
from codectk.train.optimizer import Average, Descent, Measured
from codectk.train.settings import Recipe, RunSection, from_dict
from codectk.train.world import World

Load = Callable[[bool], tuple[Crops, LabelMaps | None]]
"""Loads the training data, with label maps if asked for. Slow, so whatever else can be wrong comes first."""

Say = Callable[[str], None]


class Trainer:
    """Trains a codec's network, a discriminator, or one against the other.

    Args:
        recipe: everything that decides the result.
        crops: training data.
        labels: label maps of the training data, where they are needed.
        world: place among processes.
        device: where to compute.
        network: a module that wires its stages into a codec (`network.codec()`), with the weights it starts from; None
            trains the discriminator alone.
        knobs: values of the codec's knobs other than quality.
        discriminator: what the codec is trained against, or what is trained alone.
        lesson: what the network is to learn, in place of rate and distortion.

    Attributes:
        step: steps done.
        network, codec, descent, average: what is trained, its codec, its optimizer and the average of its weights; None
            without a network.
        adversary: the discriminator in training, or None.

    Raises:
        UsageError: the recipe does not fit the codec, the data or the number of processes.
        ContractError: the stages do not fit together.
    """

    network: Any
    codec: Any
    descent: Any
    average: Any

    def __init__(
        self,
        recipe: Recipe,
        crops: Crops,
        labels: LabelMaps | None,
        world: World,
        device: torch.device,
        *,
        network: nn.Module | None = None,
        knobs: Mapping[str, float | int] | None = None,
        discriminator: nn.Module | None = None,
        lesson: Lesson | None = None,
    ):
        self.recipe, self.crops, self.labels, self.world, self.device = recipe, crops, labels, world, device
        self.share = world.share(recipe.data.batch)
        self.step = 0
        self.network, self.codec, self.descent, self.average = network, None, None, None
        if network is not None:
            self._prepare(network)
        self.adversary: Any = None
        if discriminator is not None:
            if self.codec is not None:
                needs: Any = discriminator.needs
                wire.check_needs(self.codec, "discriminator", needs)
            self.adversary = Adversary(discriminator, recipe, device, self._autocast)
        if network is None:
            self.objective = objectives.pretraining(self.adversary)
        elif lesson is not None:
            self.objective = objectives.lesson(recipe, network, lesson, self.descent, self._autocast, device)
        else:
            self.objective = objectives.rate_distortion(
                recipe, self.codec, knobs or {}, self.descent, self.adversary, self._autocast, device
            )

    def _prepare(self, network: nn.Module) -> None:
        recipe = self.recipe
        self.network.to(device=self.device, memory_format=torch.channels_last).train()
        self.codec = self.network.codec()
        wire.check(self.codec)
        if recipe.data.crop % self.codec.stride:
            raise UsageError(f"Crops for {self.codec.id} must be multiples of {self.codec.stride} pixels.")
        names = [name for name, _ in network.named_parameters()]
        chosen = trained(names, recipe.stage.train)
        self.descent = Descent(network, chosen, recipe.optim)
        self.average = Average(network, recipe.optim.ema, set(names).difference(chosen))

    @property
    def steps(self) -> int:
        """Of the whole run."""
        return self.recipe.optim.steps

    @property
    def run(self) -> RunSection:
        """How often to log and to save."""
        return self.recipe.run

    @property
    def descents(self) -> list[Descent]:
        """What is trained, by one optimizer each."""
        return [*filter(None, [self.descent, self.adversary and self.adversary.descent])]

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
        row: dict[str, Tensor] = {}
        # All gradients come before any weight changes, so that a step is taken whole or not at all.
        for descent, measured in self.losses():
            descent.backward(measured.loss)
            row |= measured.row
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
        if self.average is not None:
            self.average.update(self.network)
        self.step += 1
        return logged, wishes > 0

    def losses(self) -> Iterator[tuple[Descent, Measured]]:
        """The losses of the step at hand, each with what it trains."""
        return self.objective(self._draw())

    def rates(self) -> dict[str, float]:
        """The learning rates of the last step, as they are logged."""
        return {f"{descent.prefix}lr": descent.rate(self.step - 1) for descent in self.descents}

    @property
    def digest(self) -> int:
        """32-bit check of the training data."""
        return self.crops.digest ^ (self.labels.digest if self.labels else 0)

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on from here; tensors are not copied. See `checkpoint.load_checkpoint`."""
        state = {
            "step": self.step,
            "recipe": self.recipe.as_dict(),
            "data": self.digest,
            "network": self.network.state_dict() if self.network is not None else {},
            "ema": self.average.state() if self.average is not None else {"steps": 0, "values": {}},
            "optimizer": self.descent.optimizer.state_dict() if self.descent is not None else {},
        }
        return state if self.adversary is None else {**state, "discriminator": self.adversary.state()}

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
            if self.network is not None:
                self.network.load_state_dict(state["network"])
                parameters = dict(self.network.named_parameters())
                before = [name for name in state["network"] if name in parameters]
                self.descent.load(state["optimizer"], trained(before, saved.stage.train))
                self.average.load(state["ema"])
            if ("discriminator" in state) != (self.adversary is not None):
                raise ValueError("one of the two runs has a discriminator, the other one has not")
            if self.adversary is not None:
                self.adversary.load(state["discriminator"])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise TrainingError(f"The checkpoint does not fit the network: {reason}") from error
        self.step = state["step"]

    def _draw(self) -> Drawn:
        """This process's share of the step's crops."""
        pixels = np.stack([self.crops.draw(self.step, sample) for sample in self.share])
        pictures = (torch.from_numpy(pixels).to(self.device).float() / 255).permute(0, 3, 1, 2)
        labels = None
        if self.labels is not None:
            maps = np.stack([self.labels.draw(self.step, sample) for sample in self.share])
            labels = torch.from_numpy(maps).to(self.device).long()
        files = [self.crops.files[self.crops.cut(self.step, sample).index] for sample in self.share]
        return Drawn(self.step, self.share, pictures, labels, files)

    def _autocast(self) -> AbstractContextManager[None]:
        """Where networks run: in the recipe's precision."""
        precision = self.recipe.optim.precision
        lower = precision != "float32"
        return torch.autocast(self.device.type, getattr(torch, precision) if lower else None, enabled=lower)

    def _check(self, logged: Mapping[str, float]) -> None:
        for prefix, owner in (("", ""), ("d_", " of the discriminator")):
            for name, what in (("loss", "The loss"), ("grad", "A gradient")):
                if not np.isfinite(logged.get(prefix + name, 0.0)):
                    parts = {"codec": self.network, "discriminator": self.adversary and self.adversary.module}
                    there = {name: part for name, part in parts.items() if part is not None}
                    suspect = nn.ModuleDict(there) if len(there) > 1 else next(iter(there.values()))
                    reason = culprit(
                        suspect, lambda: torch.stack([measured.loss for _, measured in self.losses()]).sum()
                    )
                    raise TrainingError(f"{what}{owner} is not finite at step {self.step}: {reason}.")


def make(recipe: Recipe, load: Load, world: World, device: torch.device, *, fresh: bool, say: Say) -> Trainer:
    """Build what the recipe wants to be trained, on its data.

    Args:
        recipe: what to do.
        load: gives the training data.
        world: place among processes.
        device: where to compute.
        fresh: take the weights that the recipe's stage starts from; otherwise those of a checkpoint come later.
        say: takes remarks for the user.

    Raises:
        UsageError, ContractError, PluginError, WeightsError: the recipe does not fit together, or what it names cannot
            be had.
        TrainingError: a checkpoint to start from is missing or does not fit.
        InputError: as `load`.
    """
    objectives.check(recipe)
    torch.manual_seed(recipe.optim.seed)
    network, knobs, taught, discriminator = None, {}, None, None
    if recipe.stage.objective != "discriminator":
        network, knobs = build(recipe), knob_values(recipe.stage, card_of(recipe))
        if fresh:
            begin(network, recipe.stage)
    if recipe.stage.objective == "lesson":
        taught = objectives.find_lesson(recipe)
    if recipe.discriminator.name:
        discriminator = build_discriminator(recipe)
        start = recipe.discriminator.start
        if fresh and start and (missing := load_pretrained(discriminator, start)):
            say(f"{start} lacks {', '.join(missing)}; these parameters of the discriminator start fresh.")
    labelled = bool(recipe.data.labels) if taught else discriminator is not None and bool(discriminator.needs_labels)
    data = load(labelled)
    return Trainer(
        recipe, *data, world, device, network=network, knobs=knobs, discriminator=discriminator, lesson=taught
    )
