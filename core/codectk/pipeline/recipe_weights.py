"""From a recipe to a codec with weights: those that it names, or those of the codec that it stands for."""

from __future__ import annotations

from pathlib import Path

from codectk.base.errors import InputError, UsageError, WeightsError
from codectk.graph import wire
from codectk.graph.recipe import Graph, Part, parse_graph
from codectk.pipeline import bundles
from codectk.pipeline.codec import Codec
from codectk.pipeline.load import load
from codectk.plugins import discover
from codectk.weights.bundle import SUFFIX, Bundle
from codectk.weights.locate import UnknownWeightsError, locate, names_file


def ready_of(graph: Graph, device: str = "cpu") -> Codec:
    """The codec of a recipe, ready to code.

    The weights are a bundle, by path or by its name in the store, or a safetensors file. Files made with the latter
    name its hash, and decode with this recipe only.

    Args:
        graph: the recipe.
        device: "cpu", "cuda", "cuda:1", ...

    Raises:
        UsageError: a hybrid without weights; the sentence says which commands make some.
        WeightsError: they are missing, damaged, or those of another recipe.
        PluginError: a plugin is missing or broken, or components do not fit together.
        InputError: torch does not know the device.
    """
    if graph.at_weights is None:
        if graph.codec is None:
            raise UsageError(
                f"{graph.where} names no weights, and a codec made of parts has none of its own; {advice(graph)}"
            )
        return load(graph.codec.name, device=device)
    path = graph.at_weights
    if not path.exists() or path.suffix == SUFFIX:
        try:
            bundle = locate(path if path.exists() or names_file(graph.weights) else graph.weights).bundle
        except (UnknownWeightsError, UsageError, InputError) as error:
            raise WeightsError(
                f"{graph.where} names the weights {graph.weights}, which are not there; {advice(graph)}"
            ) from error
        assert bundle is not None
        return _of_bundle(graph, bundle, device)
    if graph.codec is not None:
        return load(graph.codec.name, device=device, weights=path)
    stages = bundles.hybrids().load(graph, path, device)
    wire.check(stages)
    owners = {record.name: record.distribution for record in discover.discover()}
    needs = tuple(dict.fromkeys(owners[plugin] for plugin in graph.plugins))
    return Codec(stages, graph.card().without(stages.without_knobs), " ".join(needs), needs, device)


def advice(graph: Graph) -> str:
    """How to make the weights of a recipe."""
    run = f"runs/{graph.name}"
    return (
        f"train them with 'codectk train {graph.where} --data PICTURES -o {run}', make a bundle with "
        f"'codectk export {run}/checkpoint.pt -o {Path(graph.where).with_suffix(SUFFIX)}', and name it: "
        f'weights = "{Path(graph.where).with_suffix(SUFFIX).name}".'
    )


def _of_bundle(graph: Graph, bundle: Bundle, device: str) -> Codec:
    inside = parse_graph(bundle.recipe, f"{bundle.path.name}, recipe.toml")
    ours, theirs = _named(graph), _named(inside)
    for slot in dict.fromkeys((*ours, *theirs)):
        if ours.get(slot) != theirs.get(slot):
            raise WeightsError(
                f"{graph.where}: the weights {graph.weights} are for another recipe: "
                f"[{slot}] is {_told(ours.get(slot))} here and {_told(theirs.get(slot))} there."
            )
    return load(str(bundle.path), device=device)


def _named(graph: Graph) -> dict[str, Part]:
    """What makes a recipe's network. Options of [codec] are for training; weights carry their own."""
    codec = {} if graph.codec is None else {"codec": Part(graph.codec.name)}
    return {**codec, **graph.slots, **{f"adapters.{name}": part for name, part in graph.adapters.items()}}


def _told(part: Part | None) -> str:
    if part is None:
        return "missing"
    options = ", ".join(f"{name} = {value!r}" for name, value in part.options.items())
    return part.name + (f" with {options}" if options else "")
