"""A recipe's graph becomes a network: components of several plugins, wired like a plugin's own stages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import nn

from codectk.base.errors import CodectkError, UsageError
from codectk.graph import catalog
from codectk.graph.recipe import SLOTS, Graph, Part
from codectk.nn.adapters import build as own
from codectk.nn.backend import TorchBackend
from codectk.nn.chain import AdaptedConditioning, CodingChain, is_adapter
from codectk.nn.fit import check
from codectk.nn.preset import load_weights
from codectk.nn.storage import compact_prefixes
from codectk.plugins import manager
from codectk.spec.capabilities import offered
from codectk.spec.card import CodecCard
from codectk.spec.stages import NumpyBackend, Stages

ADAPTERS = "adapters"


class Hybrid(nn.Module):
    """Owns the weights of a recipe's components: a child for each slot under the slot's name, `adapters` with one for
    each adapter, and modules that stages share under the names they have in their own codec.

    Args:
        graph: the recipe.
        card: of the codec that it describes.
        stages: built stages by slot, and adapters by `("adapters", name)` joined with a dot.

    Attributes:
        compact: see `codectk.nn.storage`.
    """

    def __init__(self, graph: Graph, card: CodecCard, stages: Mapping[str, Any]):
        super().__init__()
        self.graph, self.card, self.stages = graph, card, dict(stages)
        for slot in SLOTS:
            if isinstance(stage := stages.get(slot), nn.Module):
                self.add_module(slot, stage)
        adapters = {name: stages[f"{ADAPTERS}.{name}"] for name in graph.adapters}
        self.adapters = nn.ModuleDict({name: a for name, a in adapters.items() if isinstance(a, nn.Module)})
        for slot, stage in stages.items():
            for name, module in getattr(stage, "shared", {}).items():
                self._own(name if getattr(self, name, module) is module else f"{slot.replace('.', '_')}_{name}", module)
        self.compact = compact_prefixes(self)

    def _own(self, name: str, module: nn.Module) -> None:
        self.add_module(name, module)

    def codec(self, weights_hash: str = "", device: str = "cpu") -> Stages:
        """The stages wired together, sharing this network's weights."""
        stages = self.stages
        between = [stages[f"{ADAPTERS}.{name}"] for name in self.graph.adapters]
        conditioning, model = stages.get("conditioning"), stages["entropy_model"]
        resizing = [adapter for adapter in between if "condition" in offered(adapter, "adapter")]
        tensors = any(isinstance(stages[slot], nn.Module) for slot in ("analysis", "entropy_model", "synthesis"))
        return Stages(
            id=self.card.name,
            stride=self.card.stride,
            weights_hash=weights_hash,
            portable=all(getattr(m, "portable", False) for m in (model, *between) if not is_adapter(m)),
            analysis=stages["analysis"],
            entropy_model=CodingChain(model, between) if between else model,
            synthesis=stages["synthesis"],
            conditioning=AdaptedConditioning(conditioning, resizing) if conditioning and resizing else conditioning,
            post=stages.get("post"),
            backend=TorchBackend(device) if tensors else NumpyBackend(),
            without_knobs=self._without_knobs(),
        )

    def _without_knobs(self) -> frozenset[str]:
        """Knobs that every part that reads them, by its card, leaves out in its configuration."""
        readers: dict[str, list[bool]] = {}
        for part, stage in zip(self.graph.parts, _ordered(self.graph, self.stages), strict=True):
            found = catalog.find(part.name)
            for knob in found[0].knobs if found else ():
                readers.setdefault(knob, []).append(knob in getattr(stage, "without_knobs", ()))
        return frozenset(knob for knob, gone in readers.items() if all(gone))


def build(graph: Graph) -> Hybrid:
    """The network of a recipe, with fresh weights.

    Raises:
        UsageError: the graph stands for an installed codec, or a component refuses its options.
        ContractError: two components do not fit; the sentence says where, what was expected and found, and what would.
        PluginError: a component cannot be built.
    """
    if graph.codec is not None:
        raise UsageError(f"{graph.where}: [codec] stands for an installed codec, which is no hybrid.")
    card = graph.card()
    stages = _stages(graph)
    for name in graph.adapters:
        if is_adapter(adapter := stages[f"{ADAPTERS}.{name}"]):
            try:
                adapter.join(tuple(stages["analysis"].produces), tuple(stages["entropy_model"].needs))
            except CodectkError as error:
                raise type(error)(f"{graph.adapters[name].place}: [adapters.{name}] {error}") from error
    if attach := offered(stages.get("post"), "post").get("attach"):
        attach(stages["synthesis"])
    hybrid = Hybrid(graph, card, stages)
    check(graph, hybrid.codec(), stages)
    return hybrid


def load(graph: Graph, weights: Path, device: str = "cpu") -> Stages:
    """The codec of a recipe with its weights.

    Args:
        graph: the recipe.
        weights: safetensors file, as `codectk export` writes it; it is read whole.
        device: where it will run.

    Raises:
        WeightsError: the weights do not fit the recipe.
        InputError: torch does not know the device.
        As `build`.
    """
    return load_weights(weights, partial(_ignoring_options, graph), device)


def _ignoring_options(graph: Graph, options: Mapping[str, Any]) -> Hybrid:
    """The graph alone says what is built; a weights file's own options are those of codecs with one network."""
    return build(graph)


def _stages(graph: Graph) -> dict[str, Any]:
    """Every component, built once for all that its plugin gives with the same options, so that they share."""
    named: dict[str, Part] = {**graph.slots, **{f"{ADAPTERS}.{name}": part for name, part in graph.adapters.items()}}
    groups: dict[tuple[str, str], list[str]] = {}
    for place, part in named.items():
        key = part.name.split(".", 1)[0], json.dumps(part.options, sort_keys=True, default=str)
        groups.setdefault(key, []).append(place)
    built: dict[str, Any] = {}
    for (plugin, _), places in groups.items():
        if plugin == catalog.CORE:
            built |= {place: own.build(named[place].name, named[place].options) for place in places}
            continue
        try:
            made = manager.stages([named[place].name for place in places], named[places[0]].options)
        except UsageError as error:
            raise UsageError(f"{named[places[0]].place}: {error}") from error
        built |= dict(zip(places, made, strict=True))
    return {place: built[place] for place in named}


def _ordered(graph: Graph, stages: Mapping[str, Any]) -> list[Any]:
    """Stages in the order of `Graph.parts`."""
    places = [*SLOTS[:2], *(f"{ADAPTERS}.{name}" for name in graph.adapters), *SLOTS[2:]]
    return [stages[place] for place in places if place in stages]
