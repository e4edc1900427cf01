"""How a stage of a training begins: from which weights, and with which of them in training."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import torch
from torch import nn

from codectk.base.errors import TrainingError, UsageError
from codectk.spec.card import CodecCard
from codectk.train.checkpoint import load_checkpoint
from codectk.train.recipe import StageSection


def below(prefix: str, names: Iterable[str]) -> list[str]:
    """The names that are `prefix` or lie below it, as "synthesis.layers.0.weight" lies below "synthesis"."""
    prefix = prefix.removesuffix(".")
    return [name for name in names if name == prefix or name.startswith(f"{prefix}.")]


def trained(names: Sequence[str], prefixes: Sequence[str]) -> list[str]:
    """Those of a network's parameter names that `stage.train` asks for, in their order; no prefixes ask for all.

    Raises:
        UsageError: a prefix meets no parameter.
    """
    for prefix in prefixes:
        if not below(prefix, names):
            tops = ", ".join(sorted({name.split(".", 1)[0] for name in names}))
            raise UsageError(f"stage.train: the network has no parameter below '{prefix}'; it has {tops}.")
    return [name for name in names if not prefixes or any(below(prefix, (name,)) for prefix in prefixes)]


def begin(network: nn.Module, stage: StageSection) -> None:
    """Give a fresh network the weights that a stage begins with: those of `stage.start`, then `stage.copy`.

    Raises:
        TrainingError: there is no checkpoint, or it is not of this network.
        UsageError: what is to be copied is not there, or not alike.
    """
    if stage.start:
        values = load_checkpoint(Path(stage.start))["ema"]["values"]
        if not values:
            raise TrainingError(f"{stage.start} holds no codec to start from; it is from training a discriminator.")
        try:
            network.load_state_dict(values)
        except RuntimeError as error:
            reason = " ".join(str(error).split())
            raise TrainingError(f"{stage.start} does not fit the network: {reason}") from error
    for target, source in stage.copy.items():
        _copy(network, target, source)


def knob_values(stage: StageSection, card: CodecCard) -> dict[str, float | int]:
    """The codec's knobs as training turns them: the defaults of its card, then `stage.knobs`.

    Raises:
        UsageError: there is no such knob, it does not take that value, or it is the quality, which is drawn.
    """
    values = {name: knob.default for name, knob in card.knobs.items()}
    for name, value in stage.knobs.items():
        if name == "quality":
            raise UsageError("stage.knobs cannot set the quality: every sample of a batch draws its own.")
        if name not in card.knobs:
            others = ", ".join(knob for knob in card.knobs if knob != "quality") or "none"
            raise UsageError(f"stage.knobs: codec '{card.name}' has no knob '{name}'; it has {others}.")
        values[name] = card.knobs[name].convert(value)
    return values


@torch.no_grad()
def _copy(network: nn.Module, target: str, source: str) -> None:
    state = network.state_dict()
    pairs = [(name, target + name.removeprefix(source)) for name in below(source, state)]
    if not pairs:
        raise UsageError(f"stage.copy: the network has nothing below '{source}'.")
    missing = set(below(target, state)).symmetric_difference(name for _, name in pairs)
    unlike = {to for name, to in pairs if to in state and state[to].shape != state[name].shape}
    if wrong := sorted(missing | unlike):
        raise UsageError(f"stage.copy: '{target}' is not made like '{source}'; they differ in {wrong[0]}.")
    for name, to in pairs:
        state[to].copy_(state[name])
