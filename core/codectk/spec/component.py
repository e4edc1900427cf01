"""Components in a card: what recipes and other plugins can name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from codectk.base.toml import Table

COMPONENT_KINDS = (
    "conditioning", "analysis", "entropy_model", "synthesis", "post", "adapter", "discriminator", "lesson", "loss",
    "metric",
)  # fmt: skip
"""Kinds a `[[component]]` may have; each has a hook `codectk_<kind>`."""

NAME = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")
"""Names of codecs and ids of components."""

_PLACE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class ComponentCard:
    """A stage that recipes can name.

    Attributes:
        id: `<plugin>.<name>`.
        kind: one of COMPONENT_KINDS.
        summary: one line.
        codec: codec of the same card whose stage it is, so that a recipe with it pads to that codec's stride and has
            its knobs; "" for a component without one. Left out, it is the plugin's only codec.
        knobs: those of the codec's knobs that it reads. Left out, all of them.
        part: the attribute of the codec's network that it is; components that a recipe names with the same options are
            parts of one network.
        factory: place of the function that builds it from its options. Without both, the hook `codectk_<kind>` does.
    """

    id: str
    kind: str
    summary: str
    codec: str = ""
    knobs: tuple[str, ...] = ()
    part: str = ""
    factory: str = ""


def parse_component(table: Table, knobs: Mapping[str, Sequence[str]]) -> ComponentCard:
    """Read a `[[component]]`.

    Args:
        table: the TOML table.
        knobs: names of knobs by codec of the same card.

    Raises:
        PluginBrokenError: a value is missing, unknown or makes no sense.
    """
    name, kind = table.take("id", str), table.take("kind", str)
    table.what = f"component '{name}'"
    table.need(NAME.fullmatch(name) is not None and "." in name, "the id must be '<plugin>.<name>' in lower case")
    table.need(kind in COMPONENT_KINDS, f"kind must be one of {', '.join(COMPONENT_KINDS)}")
    codec = table.take("codec", str, next(iter(knobs)) if len(knobs) == 1 else "")
    table.need(codec in ("", *knobs), f"the card has no codec '{codec}'")
    offered = knobs.get(codec, ())
    read = table.take("knobs", list, list(offered))
    for knob in read:
        table.need(knob in offered, f"its codec has no knob {knob!r}")
    part = table.take("part", str, "")
    table.need(not part or part.isidentifier(), "part must be the name of an attribute")
    factory = place_of(table, "factory")
    table.need(not (part and factory), "it is either a part or made by a factory")
    component = ComponentCard(name, kind, table.take("summary", str, ""), codec, tuple(read), part, factory)
    table.done()
    return component


def place_of(table: Table, key: str) -> str:
    """A place in the code, "module:object"; "" if the table names none."""
    place = table.take(key, str, "")
    table.need(not place or _PLACE.fullmatch(place) is not None, f"{key} must be 'module:object'", key)
    return place
