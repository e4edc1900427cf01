"""What recipes can name: components by kind, from the cards of what is installed. Nothing is imported."""

from __future__ import annotations

import math
from collections.abc import Sequence

from codectk.base.arguments import closest
from codectk.base.errors import ContractError, PluginMissingError, UsageError
from codectk.bitstream.tiles import OVERLAP
from codectk.plugins import discover, manager
from codectk.plugins.discover import PluginRecord
from codectk.spec.card import CodecCard
from codectk.spec.component import ComponentCard
from codectk.spec.knob import Knob

CORE = "core"
"""In place of a plugin's name in ids of what the core brings itself."""

OWN = (
    ComponentCard("core.channels", "adapter", "Linear 1x1 convolutions around the entropy model, for other channels"),
    ComponentCard("core.labels", "adapter", "Label maps at the stride of latents, by majority, without holes"),
    ComponentCard("core.spatial", "adapter", "A map made of a global code, for syntheses that paint from maps"),
)
"""Adapters of the core, built by `codectk.nn.adapters`."""


def all_components() -> list[tuple[ComponentCard, PluginRecord | None]]:
    """Every component of the plugins that are ok, each with its plugin; None for the core's own."""
    own: list[tuple[ComponentCard, PluginRecord | None]] = [(card, None) for card in OWN]
    found = [record for record in discover.discover() if record.status == "ok" and record.card is not None]
    return own + [(card, record) for record in found if record.card for card in record.card.components]


def components(kind: str) -> list[ComponentCard]:
    """Components of a kind. An adapter may also be an entropy model, which codes what the main one does not."""
    return [card for card, _ in all_components() if card.kind == kind]


def find(name: str) -> tuple[ComponentCard, PluginRecord | None] | None:
    """A component by its id, or None."""
    return next((pair for pair in all_components() if pair[0].id == name), None)


def check(name: str, kind: str, where: str) -> None:
    """Check that a component is there and of the right kind.

    Args:
        name: its id.
        kind: of the slot; "adapter" also takes entropy models.
        where: begins the sentence.

    Raises:
        UsageError: there is no such component in a plugin that is installed, or it is of another kind.
        PluginError: its plugin is missing or not ok.
    """
    kinds = (kind, "entropy_model") if kind == "adapter" else (kind,)
    found = find(name)
    fitting = [card.id for card in components(kind)]
    listed = ", ".join(fitting) or "none"
    if found is not None:
        if found[0].kind not in kinds:
            raise UsageError(f"{where}: {name} is for [{found[0].kind}]; components for this slot: {listed}.")
        return
    plugin, dot, _ = name.partition(".")
    if not dot:
        raise UsageError(
            f"{where}: '{name}' is no component, whose id is PLUGIN.NAME{closest(name, fitting)}; "
            f"components for this slot: {listed}."
        )
    if plugin != CORE and not any(record.name == plugin for record in discover.discover()):
        try:
            manager.load(plugin)  # says whether it is left out or not there
        except PluginMissingError as error:
            raise PluginMissingError(
                f"{where}: {name}: {error}{closest(name, fitting)} Components for this slot: {listed}."
            ) from error
    for record in discover.discover():
        if record.name == plugin and record.status != "ok":
            raise discover.error_of(record)
    raise UsageError(
        f"{where}: there is no component '{name}'{closest(name, fitting)}; components for this slot: {listed}."
    )


def codec_card(name: str) -> CodecCard:
    """The card of an installed codec.

    Raises:
        PluginError: as `manager.find_codec`.
    """
    return manager.find_codec(name)[0]


def merged_card(name: str, summary: str, parts: Sequence[tuple[str, str]]) -> CodecCard:
    """The card of a codec made of components: padding and tiles for all of them, and every knob that one of them reads.

    Args:
        name, summary: of the codec.
        parts: id of each component and where it is named, in the order of the data.

    Raises:
        PluginMissingError: a component is not installed.
        ContractError: two have different knobs of one name.
    """
    knobs: dict[str, tuple[Knob, str]] = {}
    strides, domains, tiles = [1], [], []
    for part, place in parts:
        if (found := find(part)) is None:
            raise PluginMissingError(f"{place}: the component '{part}' is not installed.")
        card, record = found
        if not card.codec or record is None or record.card is None:
            continue
        codec = next(codec for codec in record.card.codecs if codec.name == card.codec)
        strides.append(codec.stride)
        domains.append(codec.domain)
        tiles.append(codec.tile)
        for knob in (codec.knobs[read] for read in card.knobs):
            known, owner = knobs.setdefault(knob.name, (knob, part))
            for what in ("side", "type", "minimum", "maximum", "coded", "rate"):
                if getattr(known, what) != getattr(knob, what):
                    raise ContractError(
                        f"{place}: knob '{knob.name}' of {part} and of {owner} differ in {what}: "
                        f"{getattr(knob, what)} and {getattr(known, what)}."
                    )
    domain = ", ".join(dict.fromkeys(domains)) or "natural"
    stride, known_tiles = math.lcm(*strides), [tile for tile in tiles if tile is not None]
    # In tiles only if every part's codec can be, and as large as the smallest of theirs.
    tile = min(known_tiles) if known_tiles and len(known_tiles) == len(tiles) else None
    if tile is not None and tile < stride + OVERLAP:
        tile = None
    return CodecCard(name, summary, domain, stride, {key: knob for key, (knob, _) in knobs.items()}, tile=tile)
