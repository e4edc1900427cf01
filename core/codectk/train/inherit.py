"""Parts of a network from weights that exist: those of an installed codec, of a weights file, or of a checkpoint."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from codectk.base.errors import TrainingError, UsageError, WeightsError
from codectk.nn.priors import Prior
from codectk.nn.storage import install
from codectk.plugins.manager import find_codec
from codectk.train.checkpoint import load_checkpoint
from codectk.weights.find import CODEC
from codectk.weights.manifest import read_manifest
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors, read_metadata

TABLES = "tables."


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
    _, record = find_codec(source)
    for entry in read_manifest(record.package):
        if entry.name.startswith(source):
            path = resolve(entry, record.package)
            # A plugin may also bring a part of its codec on its own.
            if read_metadata(path).get(CODEC) == source:
                return path
    raise WeightsError(f"{record.owner} brings no weights for codec '{source}'; name a file.")
