"""Recipes name components, slot by slot; a `Graph` is what a recipe says, checked against the cards of plugins.

    title = "SegPIC's transforms with EGIC's residual head"
    weights = "h2.ctkb"                     # a bundle or safetensors file; relative to the recipe

    [analysis]
    name = "segpic.rat_analysis"
    options = { config = "small" }

and likewise [conditioning], [entropy_model], [synthesis], [post], and [adapters.NAME] for what makes them fit. A recipe
with [codec] name = "segpic" stands for an installed codec. [knobs] gives values for the knobs. All other tables are
those of training. Nothing is imported here: stages meet in `codectk.nn.hybrid`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from codectk.base import toml
from codectk.base.arguments import closest
from codectk.base.errors import UsageError
from codectk.base.toml import Document, override
from codectk.graph import catalog
from codectk.spec.card import CodecCard

TOP = ("title", "name", "weights")
"""Values that stand in no table."""
SLOTS = ("conditioning", "analysis", "entropy_model", "synthesis", "post")
"""In the order of the data; each is also a kind of component."""
NEEDED = ("analysis", "entropy_model", "synthesis")
GRAPH = (*TOP, "codec", *SLOTS, "adapters", "knobs")
"""What a recipe says about a codec."""
TRAINING = ("data", "loss", "optim", "stage", "discriminator", "validation", "run")
"""What it says about its training, judged by `codectk.train.settings`."""

_NOT_IN_NAMES = re.compile(r"[^a-z0-9._-]+")
_UNFIT = re.compile(r"[^a-z0-9._-]|^[._-]|[._-]$|^.{65}")


@dataclass(frozen=True)
class Part:
    """One component: its id (or a codec's name), its options, and where the recipe says so."""

    name: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    place: str = field(default="", compare=False)

    def as_table(self) -> dict[str, Any]:
        return {"name": self.name, **({"options": dict(self.options)} if self.options else {})}


@dataclass(frozen=True)
class Graph:
    """A codec as a recipe describes it.

    Attributes:
        name: id of the codec: the recipe's `name`, else made of its file's.
        title: one line for people.
        codec: an installed codec with options for its network, or None where `slots` describe one.
        slots: components by kind, in the order of the data.
        adapters: components by the recipe's own names, from the analysis to the entropy model.
        knobs: values by knob name.
        weights: path of the weights, "" for none.
        where: the recipe's file, for messages.
        knob_places: where it says so, by knob name.
    """

    name: str
    title: str
    codec: Part | None
    slots: Mapping[str, Part]
    adapters: Mapping[str, Part] = field(default_factory=dict)
    knobs: Mapping[str, Any] = field(default_factory=dict)
    weights: str = ""
    where: str = field(default="", compare=False)
    knob_places: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def parts(self) -> tuple[Part, ...]:
        """All components, in the order of the data; for an installed codec there are none."""
        before_coding = [self.slots[kind] for kind in SLOTS[:2] if kind in self.slots]
        after = [self.slots[kind] for kind in SLOTS[2:] if kind in self.slots]
        return (*before_coding, *self.adapters.values(), *after)

    @property
    def plugins(self) -> tuple[str, ...]:
        """Plugins of the components, in order of first use; the core's own adapters are no plugin's."""
        names = [part.name.split(".", 1)[0] for part in self.parts]
        return tuple(name for name in dict.fromkeys(names) if name != catalog.CORE)

    @property
    def at_weights(self) -> Path | None:
        """Where the weights are, or None."""
        return Path(self.where).parent / Path(self.weights).expanduser() if self.weights else None

    def card(self, name: str = "") -> CodecCard:
        """The card of the codec that the parts make: stride and knobs follow from theirs.

        Args:
            name: id of the codec; the graph's own by default.

        Raises:
            PluginError: a component is not installed any more.
            ContractError: two parts have different knobs of one name.
            UsageError: [knobs] has one that no part has, or a value that it refuses.
        """
        if self.codec is not None:
            made = catalog.codec_card(self.codec.name)
        else:
            made = catalog.merged_card(name or self.name, self.title, [(part.name, part.place) for part in self.parts])
        knobs = dict(made.knobs)
        for knob, value in self.knobs.items():
            if knob not in knobs:
                others = ", ".join(knobs) or "none"
                raise UsageError(
                    f"{self.knob_places.get(knob, self.where)}: no part has a knob '{knob}', only: {others}."
                )
            try:
                knobs[knob] = replace(knobs[knob], default=knobs[knob].convert(value))
            except UsageError as error:
                raise UsageError(f"{self.knob_places.get(knob, self.where)}: {error}") from error
        return replace(made, knobs=knobs)

    def tables(self) -> dict[str, Any]:
        """The graph as a recipe has it, without weights and without what is about training."""
        made: dict[str, Any] = {"title": self.title, "name": self.name}
        if self.codec is not None:
            made["codec"] = self.codec.as_table()
        made |= {kind: part.as_table() for kind, part in self.slots.items()}
        if self.adapters:
            made["adapters"] = {name: part.as_table() for name, part in self.adapters.items()}
        if self.knobs:
            made["knobs"] = dict(self.knobs)
        return made

    def toml(self) -> str:
        """`tables` as text, which `parse_graph` reads."""
        return toml.to_toml(self.tables())


def load_graph(path: str | Path, overrides: Iterable[str] = ()) -> Graph:
    """Read a recipe's graph.

    Args:
        path: TOML file.
        overrides: "section.key=value" each.

    Raises:
        InputError: the file is missing or not TOML.
        UsageError: it names something that does not exist, or makes no sense; the sentence has the line.
        PluginError: a plugin that it names is missing or broken.
    """
    return graph_of(override(toml.read(path), overrides, TOP))


def parse_graph(text: str, where: str, overrides: Iterable[str] = ()) -> Graph:
    """The same from a recipe's text; `where` names it in messages."""
    return graph_of(override(toml.parse(text, where), overrides, TOP))


def graph_of(document: Document) -> Graph:
    """The same from a document."""
    data = document.data
    for section in data:
        if section not in (*GRAPH, *TRAINING):
            close = closest(section, (*GRAPH, *TRAINING))
            raise UsageError(
                f"{document.at(section)}: there is no section [{section}] in a recipe{close}; "
                f"sections are {', '.join((*GRAPH[3:], *TRAINING))}."
            )
    texts = {key: _text(document, key) for key in TOP}
    slots = {kind: part for kind in SLOTS if (part := _part(document, kind, kind=kind)) is not None}
    codec = _part(document, "codec", kind="codec")
    adapters = _adapters(document)
    if codec is not None and (slots or adapters):
        other = next(iter(slots), "adapters")
        raise UsageError(
            f"{document.at('codec')}: [codec] names a whole codec, so there cannot be [{other}] "
            f"({document.at(other)}); leave out one of them."
        )
    if codec is None and (missing := [kind for kind in NEEDED if kind not in slots]):
        listed = ", ".join(card.id for card in catalog.components(missing[0])) or "none"
        raise UsageError(
            f"{document.where}: the recipe lacks [{missing[0]}] (or a [codec] in place of all slots); "
            f"installed components for it: {listed}."
        )
    return Graph(
        name=texts["name"] or _name_of(document.where),
        title=texts["title"] or texts["name"] or _name_of(document.where),
        codec=codec,
        slots=slots,
        adapters=adapters,
        knobs=(knobs := _knobs(document)),
        weights=texts["weights"],
        where=document.where,
        knob_places={knob: document.at("knobs", knob) for knob in knobs},
    )


def has_graph(data: Mapping[str, Any]) -> bool:
    """Whether a recipe describes a codec slot by slot."""
    return any(key in data for key in (*SLOTS, "adapters"))


def _text(document: Document, key: str) -> str:
    value = document.data.get(key, "")
    if not isinstance(value, str):
        raise UsageError(f"{document.at(key)}: {key} must be a text, not {value!r}.")
    if key == "name" and value and _UNFIT.search(value):
        raise UsageError(
            f"{document.at(key)}: '{value}' cannot be a codec's name, which has 1 to 64 of a-z 0-9 . _ - "
            "and a letter or digit at both ends."
        )
    return value


def _adapters(document: Document) -> dict[str, Part]:
    tables = document.data.get("adapters", {})
    if not isinstance(tables, Mapping):
        raise UsageError(f"{document.at('adapters')}: adapters are written as [adapters.NAME].")
    made = {name: _part(document, "adapters", name, kind="adapter") for name in tables}
    return {name: part for name, part in made.items() if part is not None}


def _part(document: Document, *path: str, kind: str) -> Part | None:
    """The component that a table names, looked up in the cards; None where there is no such table."""
    table: Any = document.data
    for key in path:
        table = table.get(key)
        if table is None:
            return None
    section, place = f"[{'.'.join(path)}]", document.at(*path)
    if not isinstance(table, Mapping):
        raise UsageError(f"{place}: {section} must be a table with a name, not {table!r}.")
    for key in table:
        if key not in ("name", "options"):
            raise UsageError(f"{document.at(*path, key)}: {section} has a name and options, but no '{key}'.")
    name, options = table.get("name"), table.get("options", {})
    if not isinstance(name, str) or not name:
        raise UsageError(f"{place}: {section} needs the name of a component, such as {_example(kind)}.")
    if not isinstance(options, Mapping):
        raise UsageError(f"{document.at(*path, 'options')}: options of {section} must be a table, not {options!r}.")
    place = document.at(*path, "name")
    if kind == "codec":
        catalog.codec_card(name)
    else:
        catalog.check(name, kind, f"{place}: {section}")
    return Part(name, dict(options), place)


def _knobs(document: Document) -> dict[str, Any]:
    table = document.data.get("knobs", {})
    if not isinstance(table, Mapping):
        raise UsageError(f"{document.at('knobs')}: knobs must be a table, not {table!r}.")
    return dict(table)


def _example(kind: str) -> str:
    if kind == "codec":
        return '"segpic"'
    found = [card.id for card in catalog.components(kind)]
    return f'"{found[0]}"' if found else '"plugin.component"'


def _name_of(path: str) -> str:
    """A codec's name from a file's."""
    return _NOT_IN_NAMES.sub("-", Path(path).stem.lower()).strip("-._")[:64].rstrip("-._") or "recipe"
