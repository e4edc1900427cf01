"""Whether the components of a recipe fit together, and what would fit where they do not."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from codectk.base.errors import CodectkError, ContractError
from codectk.graph import catalog, wire
from codectk.graph.recipe import Graph, Part
from codectk.nn.adapters import build as own
from codectk.nn.chain import CodingChain, is_adapter
from codectk.plugins import manager
from codectk.spec.capabilities import offered
from codectk.spec.stages import LatentSpec, Stages

_MAKES = {"analysis": "produces", "entropy_model": "gives", "synthesis": "reveals"}
"""Under which attribute a stage declares what it makes."""


@dataclass(frozen=True)
class Joint:
    """Where one stage hands latents to the next.

    Attributes:
        giver, taker: their slots.
        made, needed: what they declare.
        passing: latents of earlier stages that the taker sees too.
    """

    giver: str
    made: Sequence[LatentSpec]
    taker: str
    needed: Sequence[LatentSpec]
    passing: Sequence[LatentSpec] = ()

    @property
    def given(self) -> tuple[LatentSpec, ...]:
        return (*self.passing, *self.made)


def check(graph: Graph, codec: Stages, stages: dict[str, Any]) -> None:
    """Check that the components of a graph fit together.

    Args:
        graph: the recipe.
        codec: its stages, wired with adapters.
        stages: the same before that, by slot and "adapters.NAME".

    Raises:
        ContractError: two do not fit. The sentence says where they are named, what is needed and what is given, and
            which adapter or component that is installed would fit.
    """
    _check_condition(graph, stages)
    model: Any = codec.entropy_model
    revealed = codec.can.reveal.reveals if codec.can.reveal is not None else ()
    joints = [
        Joint("analysis", codec.analysis.produces, "entropy_model", model.needs),
        Joint("entropy_model", model.gives, "synthesis", codec.synthesis.needs),
    ]
    if codec.post is not None:
        joints.append(Joint("synthesis", revealed, "post", codec.post.needs, model.gives))
    for joint in joints:
        if (found := wire.misfit(joint.given, joint.needed)) is not None:
            raise ContractError(_sentence(graph, stages, joint, *found) + _advice(graph, stages, joint))
    try:
        wire.check(codec)
    except ContractError as error:
        raise ContractError(f"{graph.where}: {error}") from error


def describe(spec: LatentSpec) -> str:
    """A latent as a person reads it: "'y' (224 channels at stride 16, gaussian)"."""
    channels = "any channels" if spec.channels is None else f"{spec.channels} channels"
    where = "" if spec.stride is None else f" at stride {spec.stride}"
    return f"'{spec.name}' ({channels}{where}, {spec.kind})"


def _check_condition(graph: Graph, stages: dict[str, Any]) -> None:
    """What the conditioning stage tells must be what the analysis listens to, where both say so."""
    listens = getattr(stages["analysis"], "listens", ())
    if not listens:
        return
    adapting = {place for place in stages if place.startswith("adapters.")}
    tellers = [
        place
        for place in stages
        if place == "conditioning" or (place in adapting and "condition" in offered(stages[place], "adapter"))
    ]
    tells = getattr(stages[tellers[-1]], "tells", "") if tellers else None
    if tells in (*listens, ""):
        return
    named = {**graph.slots, **{f"adapters.{name}": part for name, part in graph.adapters.items()}}
    part = graph.slots["analysis"]
    found = "there is no [conditioning]"
    if tellers:
        last = named[tellers[-1]]
        found = f"[{tellers[-1]}] {last.name} ({last.place}) gives {tells}"
    fitting = [card.id for card in catalog.components("conditioning") if _tells(graph, card.id) in listens]
    advice = f" Installed components for [conditioning] that would fit: {', '.join(fitting)}." if fitting else ""
    raise ContractError(
        f"{part.place}: [analysis] {part.name} needs {' or '.join(listens)} from a conditioning stage, "
        f"but {found}.{advice}"
    )


def _tells(graph: Graph, component: str) -> str:
    return getattr(_try("conditioning", _like(graph, component)), "tells", "?")


def _sentence(graph: Graph, stages: dict[str, Any], joint: Joint, need: LatentSpec, have: LatentSpec | None) -> str:
    named = {**graph.slots, **{f"adapters.{name}": part for name, part in graph.adapters.items()}}
    place = _needing(stages, joint, need.name)
    giver, taker = graph.slots[joint.giver], named[place]
    if have is None:
        found = ", ".join(map(describe, joint.given)) or "nothing"
        found = f"gives no such latent: {found}"
    else:
        found = f"gives {describe(have)}"
    around = " with its adapters" if graph.adapters and "entropy_model" in (joint.giver, joint.taker) else ""
    return (
        f"{taker.place}: [{place}] {taker.name} needs latent {describe(need)}, "
        f"but [{joint.giver}] {giver.name}{around} ({giver.place}) {found}."
    )


def _needing(stages: dict[str, Any], joint: Joint, latent: str) -> str:
    """The slot or adapter whose stage needs a latent: an entropy model beside the main one may be it."""
    if joint.taker == "entropy_model" and latent not in {spec.name for spec in stages[joint.taker].needs}:
        for place, stage in stages.items():
            declared = stage.outer if is_adapter(stage) else getattr(stage, "needs", ())
            if place.startswith("adapters.") and latent in {spec.name for spec in declared}:
                return place
    return joint.taker


def _advice(graph: Graph, stages: dict[str, Any], joint: Joint) -> str:
    """What would make a joint fit, tried with what is installed."""
    lines = []
    sides = ("entropy_model", "synthesis")
    if joint.taker in sides and (adapters := _fitting_adapters(graph, stages, sides.index(joint.taker))):
        given = " or ".join(f'[adapters.{name.split(".")[1]}] name = "{name}"' for name in adapters)
        lines.append(f" An adapter makes it fit: {given}.")
    for slot in (joint.taker, joint.giver):
        lines += _other_options(graph, stages, joint, slot)
    for slot in (joint.taker, joint.giver):
        if fitting := _alternatives(graph, stages, joint, slot):
            lines.append(f" Installed components for [{slot}] that would fit: {', '.join(fitting)}.")
    return "".join(lines)


def _fitting_adapters(graph: Graph, stages: dict[str, Any], side: int) -> list[str]:
    """Adapters, or entropy models beside the main one, with which more fits at a joint than without.

    Args:
        side: 0 for what the entropy model needs, 1 for what it gives.
    """
    between = [stage for place, stage in stages.items() if place.startswith("adapters.")]
    model, analysis, synthesis = stages["entropy_model"], stages["analysis"], stages["synthesis"]

    def open_ends(chain: CodingChain) -> tuple[int, int]:
        return len(_unmet(analysis.produces, chain.needs)), len(_unmet(chain.gives, synthesis.needs))

    before = open_ends(CodingChain(model, between))
    fitting = []
    for card in (*catalog.components("adapter"), *catalog.components("entropy_model")):
        if card.id in {part.name for part in graph.parts}:
            continue
        if (tried := _try(card.kind, _like(graph, card.id))) is None:
            continue
        if is_adapter(tried):
            try:
                tried.join(tuple(analysis.produces), tuple(model.needs))
            except CodectkError:
                continue
        elif {spec.name for spec in tried.gives} & {spec.name for spec in model.gives}:
            continue
        after = open_ends(CodingChain(model, [*between, tried]))
        if after[side] < before[side] and after[1 - side] <= before[1 - side]:
            fitting.append(card.id)
    return fitting


def _other_options(graph: Graph, stages: dict[str, Any], joint: Joint, slot: str) -> list[str]:
    """Sentences about options with which a component in a slot, or beside the entropy model, would fit.

    A stage names such options in its optional attribute `variants`.
    """
    beside = [place for place in stages if place.startswith("adapters.") and not is_adapter(stages[place])]
    parts = {**graph.slots, **{f"adapters.{name}": part for name, part in graph.adapters.items()}}
    sentences = []
    for place in (slot, *(beside if slot == "entropy_model" else ())):
        part = parts[place]
        for changes in getattr(stages[place], "variants", ()):
            options = {**part.options, **changes}
            tried = _try("entropy_model" if place in beside else slot, Part(part.name, options))
            if tried is not None and _open(joint, slot, tried) < _open(joint, slot, stages[place]):
                given = ", ".join(f"{key} = {json.dumps(value)}" for key, value in changes.items())
                sentences.append(f" With options = {{ {given} }} [{place}] {part.name} fits.")
    return sentences


def _open(joint: Joint, slot: str, stage: Any) -> int:
    """How many latents of a stage in a slot do not fit at a joint, by what it declares itself."""
    if slot == joint.taker:
        return len(_unmet(joint.given, stage.needs))
    made = {spec.name for spec in getattr(stage, _MAKES[slot])}
    return len(_unmet(getattr(stage, _MAKES[slot]), [need for need in joint.needed if need.name in made]))


def _unmet(given: Iterable[LatentSpec], needed: Iterable[LatentSpec]) -> list[LatentSpec]:
    offered = tuple(given)
    return [need for need in needed if wire.misfit(offered, (need,)) is not None]


def _alternatives(graph: Graph, stages: dict[str, Any], joint: Joint, slot: str) -> list[str]:
    """Other components for the giver's or the taker's slot that fit at this joint without an adapter."""
    fitting = []
    for card in catalog.components(slot):
        if card.id == graph.slots[slot].name or (tried := _try(slot, _like(graph, card.id))) is None:
            continue
        if slot == joint.taker:
            given, needed = joint.given, tuple(tried.needs)
        else:
            given, needed = (*joint.passing, *getattr(tried, _MAKES[slot], ())), tuple(joint.needed)
        lost = {spec.name for spec in getattr(stages[slot], "gives", ())} - {
            s.name for s in getattr(tried, "gives", ())
        }
        if wire.misfit(given, needed) is None and not lost:
            fitting.append(card.id)
    return fitting


def _like(graph: Graph, name: str) -> Part:
    """A component with the options that the recipe gives others of its plugin, if any."""
    plugin = name.split(".", 1)[0]
    same = (part.options for part in graph.parts if part.name.split(".", 1)[0] == plugin)
    return Part(name, next(same, {}))


def _try(kind: str, part: Part) -> Any | None:
    """A component, or None where it cannot be built this way."""
    try:
        if part.name.split(".", 1)[0] == catalog.CORE:
            return own.build(part.name, part.options)
        return manager.component(kind, part.name, part.options)
    except CodectkError:
        return None
