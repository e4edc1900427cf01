"""What a step lowers: three objectives, each a function of the crops that were drawn.

An objective yields one loss after another, each with what it trains; a loss may be descended before the next is asked
for. It is a function of (recipe, step number, weights) alone, since all its random numbers are counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn

from codectk.base.errors import ContractError, UsageError
from codectk.base.types import Context
from codectk.nn.coders import Meter
from codectk.pipeline.program import forward
from codectk.plugins import manager
from codectk.spec.stages import Stages
from codectk.spec.training import Batch, Lesson
from codectk.train import draws
from codectk.train.adversary import Adversary
from codectk.train.losses import Mixture, RateDistortion
from codectk.train.optimizer import Descent, Measured
from codectk.train.settings import Recipe


class Drawn(NamedTuple):
    """This process's share of a step's crops.

    Attributes:
        step: number of the step, from 0.
        samples: numbers of the samples within the global batch.
        pictures: float32 (B, 3, H, W) in [0, 1].
        labels: int64 (B, H, W), or None where none are loaded.
        files: where each picture was read.
    """

    step: int
    samples: Sequence[int]
    pictures: Tensor
    labels: Tensor | None
    files: Sequence[Path]


Objective = Callable[[Drawn], Iterator[tuple[Descent, Measured]]]
Autocast = Callable[[], AbstractContextManager[None]]


def rate_distortion(
    recipe: Recipe,
    codec: Stages,
    knobs: Mapping[str, float | int],
    descent: Descent,
    adversary: Adversary | None,
    autocast: Autocast,
    device: torch.device,
) -> Objective:
    """Bits and distortion of a codec, each sample at a quality of its own, alone or against a discriminator.

    Args:
        recipe: sections [optim], [data] and [loss] are used.
        codec: with the network in training.
        knobs: values of its knobs other than quality.
        descent: trains the codec.
        adversary: what it is trained against; it learns from the same pictures.
        autocast: makes the context in which networks run.
        device: where to compute.
    """
    seed, side, batch = recipe.optim.seed, recipe.data.crop, recipe.data.batch
    criterion = RateDistortion(recipe.loss, side, device)

    def objective(drawn: Drawn) -> Iterator[tuple[Descent, Measured]]:
        x, step = drawn.pictures, drawn.step
        qualities = [draws.quality(seed, step, sample, batch) for sample in drawn.samples]
        quality = torch.tensor(qualities, dtype=torch.float32, device=device)
        meter = Meter([draws.noise(seed, step, sample) for sample in drawn.samples])
        draws.seed_shared(seed, step)
        with autocast():
            made = forward(codec, x, meter, Context(side, side, {**knobs, "quality": quality}))  # type: ignore[dict-item]
        decoded = made.x.float()
        bpp = torch.as_tensor(meter.bits, device=device).expand(len(x)) / side**2
        verdict = None
        latents: dict[str, Tensor] = {}
        if adversary is not None:
            latents = {name: made.latents[name].detach() for name in adversary.needs}
            if adversary.weight > 0:
                verdict = adversary.judge(decoded, drawn.labels, latents, step)
        further = None if adversary is None or verdict is None else adversary.weight * verdict
        loss = criterion(decoded, x, bpp, quality, further).mean()
        mse = (decoded.detach().clamp(0, 1) - x).square().mean((1, 2, 3))
        row = {
            "loss": loss.detach(),
            "bpp": bpp.detach().mean(),
            "psnr": (-10 * torch.log10(mse + 1e-10)).mean(),
            **{f"bpp_{k}": torch.tensor(bits / side**2, device=device) for k, bits in meter.by_label.items()},
        }
        yield descent, Measured(loss, row if verdict is None else {**row, "adv": verdict.detach().mean()})
        if adversary is not None:
            yield adversary.descent, adversary.measure(x, decoded, drawn.labels, latents, step)

    return objective


def lesson(
    recipe: Recipe, network: nn.Module, taught: Lesson, descent: Descent, autocast: Autocast, device: torch.device
) -> Objective:
    """What a lesson says that a network is to learn.

    Args:
        recipe, descent, autocast, device: as for `rate_distortion`.
        network: in training.
        taught: the lesson.
    """
    seed, distortion = recipe.optim.seed, Mixture(recipe.loss, recipe.data.crop, device)

    def objective(drawn: Drawn) -> Iterator[tuple[Descent, Measured]]:
        noise = [draws.noise(seed, drawn.step, sample) for sample in drawn.samples]
        draws.seed_shared(seed, drawn.step)
        with autocast():
            terms = taught(network, Batch(drawn.pictures, drawn.labels, drawn.files, noise, distortion))
        if not (summed := [term for name, term in terms.items() if not name.startswith("~")]):
            raise ContractError(f"The lesson {recipe.stage.lesson} has no losses.")
        loss = torch.stack(summed).sum()
        row = {name.removeprefix("~"): term.detach() for name, term in terms.items()}
        yield descent, Measured(loss, {"loss": loss.detach(), **row})

    return objective


def pretraining(adversary: Adversary) -> Objective:
    """A discriminator's loss on real pictures alone: its warm-up as a segmentation network."""

    def objective(drawn: Drawn) -> Iterator[tuple[Descent, Measured]]:
        yield adversary.descent, adversary.pretrain(drawn.pictures, drawn.labels, drawn.step)

    return objective


def check(recipe: Recipe) -> None:
    """Refuse sections [stage], [validation] and [discriminator] that do not go together.

    Raises:
        UsageError: they do not.
    """
    stage, discriminator = recipe.stage, recipe.discriminator
    if stage.objective == "discriminator":
        if not discriminator.name:
            raise UsageError("stage.objective = 'discriminator' needs discriminator.name.")
        if stage.weights or stage.start or stage.train or stage.copy or stage.knobs:
            raise UsageError(
                "weights, start, train, copy and knobs of [stage] are about the codec, "
                "which is not trained with stage.objective = 'discriminator'."
            )
        if recipe.validation.paths:
            raise UsageError("[validation] codes pictures, so it needs a codec in training.")
    elif stage.objective == "lesson" and (discriminator.name or stage.knobs):
        raise UsageError("stage.objective = 'lesson' leaves no place for [discriminator] and stage.knobs.")
    elif bool(stage.lesson) != (stage.objective == "lesson"):
        raise UsageError("stage.objective = 'lesson' and a stage.lesson belong together.")
    elif not discriminator.name and (discriminator.weight or discriminator.start):
        raise UsageError("The weight and start of [discriminator] need its name.")


def find_lesson(recipe: Recipe) -> Lesson:
    """The lesson that a recipe names: a component, or the last part of its id where a plugin of the network has it.

    Raises:
        UsageError: there is no such lesson.
        PluginError, ContractError: it cannot be built, or is none.
    """
    name = recipe.stage.lesson
    if "." not in name:
        own = recipe.graph.plugins if recipe.graph else (manager.find_codec(recipe.codec.name)[1].name,)
        offers = [offer for plugin in own for offer in manager.components(plugin, "lesson")]
        if not (found := [offer for offer in offers if offer.split(".", 1)[1] == name]):
            raise UsageError(f"stage.lesson: there is no lesson '{name}'; there are: {', '.join(offers) or 'none'}.")
        name = found[0]
    taught = manager.component("lesson", name, recipe.stage.lesson_options)
    if not callable(taught):
        raise ContractError(f"Lesson '{name}' cannot be called: it is a {type(taught).__name__}.")
    return taught
