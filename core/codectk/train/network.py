"""The network that a recipe trains, and the weights that it starts from.

Parts may come from weights that exist: those of an installed codec, of a weights file, or of a checkpoint.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn

from codectk.base.errors import TrainingError, UsageError, WeightsError
from codectk.nn import hybrid
from codectk.nn.priors import Prior
from codectk.nn.storage import install, thaw
from codectk.plugins import manager
from codectk.spec.card import CodecCard
from codectk.train.checkpoint import load_checkpoint
from codectk.train.settings import Recipe, StageSection
from codectk.weights.locate import CODEC
from codectk.weights.manifest import read_manifest
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors, read_metadata

TABLES = "tables."


def fresh(recipe: Recipe) -> nn.Module:
    """The network with fresh weights.

    Raises:
        UsageError, ContractError, PluginError: it cannot be built.
    """
    if recipe.graph is not None:
        return hybrid.build(recipe.graph)
    return cast(nn.Module, manager.network(recipe.codec.name, recipe.codec.options))


def build(recipe: Recipe) -> nn.Module:
    """The network with fresh weights but for those parts that `stage.weights` takes from elsewhere.

    Raises:
        As `fresh`, and WeightsError, TrainingError: such weights are missing or do not fit.
    """
    network = fresh(recipe)
    inherit(network, recipe.stage.weights)
    return network


def card_of(recipe: Recipe) -> CodecCard:
    """The card of what is trained."""
    return manager.find_codec(recipe.codec.name)[0] if recipe.graph is None else recipe.graph.card()


def inherit(network: nn.Module, weights: Mapping[str, str]) -> None:
    """Fill parts of a fresh network.

    A part from a checkpoint can be trained on as if it were one's own. In a part from coding weights, float weights can
    be trained; integer layers and coding tables stay as they are, to the bit.

    Args:
        network: freshly built.
        weights: by dotted prefix of a module: name of an installed codec, path of a `.safetensors` or `.pt` file, with
            ":prefix" behind it where the part has another prefix there, or more or less in it: then the children are
            filled that there are in both.

    Raises:
        UsageError: the network has no such part.
        WeightsError, TrainingError, PluginError: the weights are missing or do not fit.
    """
    for prefix, text in weights.items():
        source, colon, there = text.rpartition(":")
        try:
            part = network.get_submodule(prefix)
        except AttributeError as error:
            tops = ", ".join(name for name, _ in network.named_children())
            raise UsageError(f"stage.weights: the network has no part '{prefix}'; it has {tops}.") from error
        try:
            if colon:
                _fill(part, source, there, shared=True)
            else:
                _fill(part, text, prefix)
        except (WeightsError, TrainingError) as error:
            raise type(error)(f"stage.weights: '{prefix}' from {text}: {error}") from error


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
        WeightsError, PluginError: there are no such weights, or they are not of this network.
        UsageError: what is to be copied is not there, or not alike.
    """
    if stage.start and not stage.start.endswith(".pt"):
        fixed = [name for name, parameter in network.named_parameters() if not parameter.requires_grad]
        install(network, load_tensors(_weights_file(stage.start)))
        thaw(network)
        for name in fixed:
            network.get_parameter(name).requires_grad_(False)
    elif stage.start:
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


def _fill(part: nn.Module, source: str, prefix: str, shared: bool = False) -> None:
    """Fill a part from what lies below a prefix; with `shared`, those of its children that there are in both."""
    trained = source.endswith(".pt")
    values = load_checkpoint(Path(source))["ema"]["values"] if trained else load_tensors(_weights_file(source))
    tables = {name.removeprefix(TABLES): value for name, value in values.items() if name.startswith(TABLES)}
    inside = _below({name: value for name, value in values.items() if not name.startswith(TABLES)}, prefix)
    tables = _below(tables, prefix)
    if not inside and not tables:
        raise WeightsError(f"there is nothing below '{prefix}'.")
    if shared:
        tops = {name.split(".", 1)[0] for name in (*inside, *tables)}
        part = _some(part, tops)
        mine = {name for name, _ in (*part.named_children(), *part.named_parameters(recurse=False))}
        inside, tables = ({n: v for n, v in some.items() if n.split(".", 1)[0] in mine} for some in (inside, tables))
    if trained:
        _load(part, inside)
        return
    install(part, {**inside, **{TABLES + name: value for name, value in tables.items()}})
    part.train()
    coded = {id(p) for module in part.modules() if isinstance(module, Prior) for p in module.parameters()}
    for parameter in part.parameters():
        parameter.requires_grad_(id(parameter) not in coded)


def _some(part: nn.Module, names: Collection[str]) -> nn.Module:
    """A module with some of another's children and parameters, which are the same objects."""
    view = nn.Module()
    for name, child in part.named_children():
        if name in names:
            view.add_module(name, child)
    for name, parameter in part.named_parameters(recurse=False):
        if name in names:
            view.register_parameter(name, parameter)
    return view


def _load(part: nn.Module, values: Mapping[str, Tensor]) -> None:
    try:
        part.load_state_dict(values)
    except RuntimeError as error:
        raise TrainingError(" ".join(str(error).split())) from error


def _below(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    start = f"{prefix}."
    return {name.removeprefix(start): value for name, value in values.items() if name.startswith(start)}


def _weights_file(source: str) -> Path:
    """A weights file, or the first that the plugin of a codec has for the whole of it."""
    if source.endswith(".safetensors"):
        return Path(source)
    _, record = manager.find_codec(source)
    for entry in read_manifest(record.package):
        if entry.name.startswith(source):
            path = resolve(entry, record.package)
            # A plugin may also bring a part of its codec on its own.
            if read_metadata(path).get(CODEC) == source:
                return path
    raise WeightsError(f"{record.owner} brings no weights for codec '{source}'; name a file.")
