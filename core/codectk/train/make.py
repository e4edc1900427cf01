"""From a recipe to what takes its steps."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from codectk.base.errors import UsageError
from codectk.train.adversary import build_discriminator, load_pretrained
from codectk.train.data import Crops
from codectk.train.labels import LabelMaps
from codectk.train.lessons import Lessons
from codectk.train.network import build, card_of
from codectk.train.network import fresh as untrained
from codectk.train.pretraining import Pretrainer
from codectk.train.recipe import Recipe
from codectk.train.scale import World
from codectk.train.stage import begin, knob_values
from codectk.train.steps import Steps
from codectk.train.trainer import Trainer
from codectk.train.validation import Validation

Load = Callable[[bool], tuple[Crops, LabelMaps | None]]
"""Loads the training data, with label maps if asked for. Slow, so whatever else can be wrong comes first."""

Say = Callable[[str], None]


def make(recipe: Recipe, load: Load, world: World, device: torch.device, *, fresh: bool, say: Say) -> Steps:
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
    _check(recipe)
    torch.manual_seed(recipe.optim.seed)
    if recipe.stage.objective == "discriminator":
        alone = _discriminator(recipe, fresh, say)
        return Pretrainer(recipe, alone, *load(_labelled(alone)), world, device)
    network = build(recipe)
    knobs = knob_values(recipe.stage, card_of(recipe))
    if fresh:
        begin(network, recipe.stage)
    if recipe.stage.objective == "lesson":
        return Lessons(recipe, network, *load(bool(recipe.data.labels)), world, device)
    if not recipe.discriminator.name:
        return Trainer(recipe, network, *load(False), knobs, world, device)
    opponent = _discriminator(recipe, fresh, say)
    return Trainer(recipe, network, *load(_labelled(opponent)), knobs, world, device, opponent)


def validation(recipe: Recipe, device: torch.device) -> Validation:
    """What measures on the pictures of [validation].

    Raises:
        InputError, UsageError: as `Validation`.
        PluginError: the network cannot be built.
    """
    card = card_of(recipe)
    return Validation(recipe, card, knob_values(recipe.stage, card), untrained(recipe), device)


def _check(recipe: Recipe) -> None:
    """Refuse sections [stage], [validation] and [discriminator] that do not go together."""
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


def _discriminator(recipe: Recipe, fresh: bool, say: Say) -> nn.Module:
    module = build_discriminator(recipe)
    if fresh and (start := recipe.discriminator.start) and (missing := load_pretrained(module, start)):
        say(f"{start} lacks {', '.join(missing)}; these parameters of the discriminator start fresh.")
    return module


def _labelled(discriminator: nn.Module) -> bool:
    return bool(discriminator.needs_labels)
