"""What a recipe wires together, as a tree for a person."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from codectk.base.errors import CodectkError
from codectk.cli.output import console

if TYPE_CHECKING:
    from rich.tree import Tree

    from codectk.graph.recipe import Graph, Part
    from codectk.spec.card import CodecCard
    from codectk.spec.stages import LatentSpec, Stages


def show(graph: Graph) -> None:
    """Print the graph with shapes and contracts. Components are built with fresh weights; stored ones are not needed.

    Raises:
        UsageError, ContractError, PluginError: the parts do not fit together, or one cannot be built.
    """
    from rich.tree import Tree

    from codectk.pipeline.recipe_weights import ready_of

    card = graph.card()
    tree = Tree(f"{graph.title}  ({graph.where})")
    if graph.codec is not None:
        codec = ready_of(graph).stages
        stages = {
            slot: getattr(codec, slot) for slot in ("conditioning", "analysis", "entropy_model", "synthesis", "post")
        }
        named: dict[str, Any] = dict.fromkeys(
            (slot for slot, stage in stages.items() if stage is not None), graph.codec
        )
    else:
        from codectk.pipeline.bundles import hybrids

        network = hybrids().build(graph)
        codec, stages = network.codec(), network.stages
        named = {**graph.slots, **{f"adapters.{name}": part for name, part in graph.adapters.items()}}
    tree.add(f"picture: RGB in 0..1, padded to a multiple of {codec.stride} pixels")
    for slot in _order(named):
        _stage(tree, slot, named[slot], stages[slot])
        if slot == "entropy_model":
            _coded(tree, codec, card)
    tree.add("picture")
    _knobs(tree, card, codec)
    tree.add(f"weights: {_weights(graph)}")
    console().print(tree)


def _order(named: Iterable[str]) -> list[str]:
    """Slots as the data meet them: adapters stand between analysis and entropy model."""
    rank = {"conditioning": 0, "analysis": 1, "entropy_model": 3, "synthesis": 4, "post": 5}
    return sorted(named, key=lambda slot: rank.get(slot, 2))


def _stage(tree: Tree, slot: str, part: Part, stage: Any) -> None:
    options = ", ".join(f"{name} = {value!r}" for name, value in part.options.items())
    branch = tree.add(f"[{slot}] {part.name}{f' with {options}' if options else ''}{_size(stage)}")
    if listens := getattr(stage, "listens", ()):
        branch.add(f"listens to {' or '.join(listens)}")
    if tells := getattr(stage, "tells", ""):
        branch.add(f"tells {tells}")
    needs, gives = (tuple(getattr(stage, attribute, ())) for attribute in ("needs", "gives"))
    verbs = (("codes", needs),) if needs == gives else (("needs", needs), ("gives back", gives))
    joined = [(verb, getattr(stage, attribute, ())) for verb, attribute in (("joins", "outer"), ("to", "inner"))]
    made = [
        (verb, getattr(stage, attribute, ()))
        for verb, attribute in (("adds", "adds"), ("makes", "produces"), ("shows", "reveals"))
    ]
    for verb, specs in (*joined, *verbs, *made):
        if specs:
            branch.add(f"{verb} {', '.join(f'{spec.name} {shape(spec)}' for spec in specs)}")


def shape(spec: LatentSpec) -> str:
    """A latent's shape for a padded picture of W x H pixels, and its kind: "(224 x H/16 x W/16, gaussian)"."""
    places = {None: "", 1: " x H x W"}.get(spec.stride, f" x H/{spec.stride} x W/{spec.stride}")
    channels = "" if spec.channels is None else f"{spec.channels}{places}, "
    return f"({channels}{spec.kind})"


def _coded(tree: Tree, codec: Stages, card: CodecCard) -> None:
    carried = ", ".join(name for name, knob in card.knobs.items() if knob.coded and name not in codec.without_knobs)
    exact = "decodes to the same latents on any device" if codec.portable else "decodes safely only where it was made"
    tree.add(f"file: {codec.id} .ctk, {exact}; carries {carried or 'no knobs'}")


def _knobs(tree: Tree, card: CodecCard, codec: Stages) -> None:
    branch = tree.add("knobs")
    for name, knob in card.knobs.items():
        if name not in codec.without_knobs:
            branch.add(
                f"{name} ({knob.side}): {knob.minimum} to {knob.maximum}, {knob.default} unless given. {knob.help}"
            )


def _weights(graph: Graph) -> str:
    from codectk.pipeline.recipe_weights import advice

    if graph.at_weights is not None:
        there = "" if graph.at_weights.exists() else f" (not there yet: {advice(graph)})"
        return f"{graph.weights}{there}"
    return "the codec's own" if graph.codec is not None else f"none yet; {advice(graph)}"


def _size(stage: Any) -> str:
    """How many weights a stage owns; of frozen ones, the integers count too."""
    try:
        tensors = {id(t): t for t in (*stage.parameters(), *stage.buffers())}
        count = sum(tensor.numel() for tensor in tensors.values())
    except (AttributeError, CodectkError):
        return ""
    return f": {count:,} weights" if count else ""
