"""The static description of a plugin: `card.toml` beside its code, read without importing it.

    api = 1
    title = "SegPIC"
    summary = "Region-adaptive transforms"
    licence = "Apache-2.0"

    [[codec]]
    name = "segpic"
    summary = "Natural photos, one model for all qualities"
    domain = "natural"
    stride = 64
    tile = 1216
    network = "codectk_segpic.network:build"
    preset = "segpic-small"
    light = "codectk_segpic.light:LIGHT"

    [codec.knobs.quality]
    side = "encoder"
    type = "float"
    min = 0.0
    max = 100.0
    default = 50.0
    coded = true
    rate = true
    help = "0 smallest file, 100 best picture"

    [[component]]
    id = "segpic.rat_analysis"
    kind = "analysis"
    part = "analysis"
    knobs = ["quality"]

Unknown keys are errors: a new key is a new `API`. A place in the code is written "module:object" and imported when it
is needed; what a card does not name is asked of the plugin's hooks.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from codectk import spec
from codectk.base import toml
from codectk.base.errors import BitstreamError, PluginBrokenError, PluginIncompatibleError, UsageError
from codectk.base.toml import Table
from codectk.bitstream.tiles import MIN_TILE, OVERLAP
from codectk.spec.component import NAME, ComponentCard, parse_component, place_of
from codectk.spec.fidelity import Fidelity, parse_fidelity
from codectk.spec.footprint import Footprint, parse_footprints
from codectk.spec.knob import Knob, Number, Side, parse_knob


@dataclass(frozen=True)
class CodecCard:
    """A codec ready to use.

    Attributes:
        name: as on the command line.
        summary: one line.
        domain: what it was trained on.
        stride: pictures are padded to a multiple of this many pixels.
        knobs: its options, by name.
        summarizes: its plugin has the hook `codectk_summary`, and is imported for `codectk info`.
        tile: longest side in pixels of what is coded in one piece; None for a codec that needs the whole picture.
        fidelity: what its own weights reach on pictures of their domain; None with others, or if nobody measured.
        memory: what it takes, by engine; empty where nobody measured.
        network: place of the function that builds the network with fresh weights from a recipe's options: a torch
            module whose `codec(weights_hash, device)` wires the stages; "" asks the hook `codectk_network`.
        preset: the codec's own weights in the plugin's `weights.toml`; with `network`, codectk loads these or others by
            itself, else the hook `codectk_codec` does.
        light: place of the `spec.light.Light` that wires it without torch; "" for a codec that has none.
        light_encodes: false where that only decodes.
        effort: 0 to 9, how hard encoding tries unless told otherwise.
    """

    name: str
    summary: str
    domain: str
    stride: int
    knobs: Mapping[str, Knob] = field(hash=False)
    summarizes: bool = False
    tile: int | None = None
    fidelity: Fidelity | None = None
    memory: Mapping[str, Footprint] = field(default_factory=dict, hash=False)
    network: str = ""
    preset: str = ""
    light: str = ""
    light_encodes: bool = True
    effort: int = 0

    @property
    def rate_knob(self) -> Knob | None:
        """The knob a rate target is searched over, or None."""
        return next((knob for knob in self.knobs.values() if knob.rate), None)

    def without(self, names: Collection[str]) -> CodecCard:
        """Return the card with some knobs left out."""
        return replace(self, knobs={name: knob for name, knob in self.knobs.items() if name not in names})


@dataclass(frozen=True)
class Card:
    """All that is known about a plugin before it is imported."""

    api: int
    title: str
    summary: str
    licence: str
    homepage: str
    codecs: tuple[CodecCard, ...]
    components: tuple[ComponentCard, ...]


def parse_card(text: str, where: str) -> Card:
    """Read a card.

    Args:
        text: content of `card.toml`.
        where: named in messages, such as the file's path.

    Raises:
        PluginIncompatibleError: the card was written for another API version.
        PluginBrokenError: it is not TOML, or a value is missing, unknown or makes no sense.
    """
    card = toml.parse(text, where, error=PluginBrokenError).table("the card", PluginBrokenError)
    api = card.take("api", int)
    # A neighbouring version may have other keys, so this comes before they are judged.
    if api not in supported_apis():
        accepted = " and ".join(map(str, supported_apis()))
        raise PluginIncompatibleError(
            f"{where} was written for plugin API {api}, but this codectk has API {spec.API} and accepts {accepted}."
        )
    codecs = tuple(_codec(table) for table in card.tables("codec"))
    by_name = {codec.name: codec for codec in codecs}
    result = Card(
        api=api,
        title=card.take("title", str),
        summary=card.take("summary", str),
        licence=card.take("licence", str),
        homepage=card.take("homepage", str, ""),
        codecs=codecs,
        components=tuple(_component(table, by_name) for table in card.tables("component")),
    )
    card.done()
    for what, names in (
        ("codec", [codec.name for codec in result.codecs]),
        ("component", [component.id for component in result.components]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise PluginBrokenError(f"{where} lists the {what} '{twice[0]}' twice.")
    return result


def supported_apis() -> tuple[int, ...]:
    """API versions of cards that this core accepts: its own and the one before."""
    return tuple(version for version in (spec.API - 1, spec.API) if version >= 1)


def resolve_knobs(
    card: CodecCard,
    given: Mapping[str, object],
    side: Side,
    carried: Mapping[str, Number] | None = None,
) -> dict[str, Number]:
    """Fill in defaults and check values.

    Args:
        card: the codec.
        given: values from the user, numbers or their text.
        side: "encoder" accepts encoder knobs, and coded decoder knobs as advice to the decoder
            (absent from the result unless given); "decoder" accepts decoder knobs.
        carried: at the decoder, what the file says: coded encoder knobs are passed on,
            coded decoder knobs replace the card's default.

    Returns:
        Value by knob name, in the card's order.

    Raises:
        UsageError: unknown knob (the message lists the valid ones), or a value out of range.
        BitstreamError: a carried value that the card does not allow.
    """
    valid = {name: knob for name, knob in card.knobs.items() if knob.side == side or (knob.coded and side == "encoder")}
    for name in given:
        if name not in valid:
            raise UsageError(_unknown_knob(card, name, side, valid))
    resolved: dict[str, Number] = {}
    for name, knob in card.knobs.items():
        if name in given:
            resolved[name] = knob.convert(given[name])
        elif carried is not None and name in carried:
            try:
                resolved[name] = knob.convert(carried[name])
            except UsageError as error:
                raise BitstreamError(f"The file carries a value codec '{card.name}' refuses: {error}") from error
        elif knob.side == side:
            resolved[name] = knob.default
    return resolved


def _unknown_knob(card: CodecCard, name: str, side: Side, valid: Mapping[str, Knob]) -> str:
    listed = ", ".join(
        f"{knob.name} ({knob.minimum}..{knob.maximum}, default {knob.default})" for knob in valid.values()
    )
    verb = "encoding" if side == "encoder" else "decoding"
    if name in card.knobs:
        head = f"Knob '{name}' of codec '{card.name}' is turned by the {card.knobs[name].side}, not while {verb}"
    else:
        head = f"Codec '{card.name}' has no knob '{name}' for {verb}"
    return f"{head}; valid knobs: {listed or 'none'}."


def _component(table: Table, codecs: Mapping[str, CodecCard]) -> ComponentCard:
    card = parse_component(table, {name: tuple(codec.knobs) for name, codec in codecs.items()})
    networked = card.codec in codecs and bool(codecs[card.codec].network)
    table.need(networked or not card.part, "a part needs a codec whose card names its network")
    return card


def _codec(table: Table) -> CodecCard:
    name = table.take("name", str)
    table.what = f"codec '{name}'"
    table.need(
        NAME.fullmatch(name) is not None,
        "the name must be 1 to 64 of a-z 0-9 . _ - with a letter or digit at both ends",
    )
    stride = table.take("stride", int)
    table.need(1 <= stride <= 4096, "stride must be 1 to 4096 pixels")
    tile = table.take("tile", int, 0)
    least = max(MIN_TILE, stride + OVERLAP)
    table.need(tile == 0 or least <= tile <= 65535, f"tile must be {least} to 65535 pixels")
    knobs = {key: parse_knob(key, knob) for key, knob in table.named("knobs", "knob")}
    table.need(sum(knob.rate for knob in knobs.values()) <= 1, "only one knob can be the rate knob")
    codec = CodecCard(
        name,
        table.take("summary", str),
        table.take("domain", str, "natural"),
        stride,
        knobs,
        summarizes=table.take("summarizes", bool, False),
        tile=tile or None,
        fidelity=parse_fidelity(table),
        memory=parse_footprints(table),
        network=place_of(table, "network"),
        preset=table.take("preset", str, ""),
        light=place_of(table, "light"),
        light_encodes=table.take("light_encodes", bool, True),
        effort=table.take("effort", int, 0),
    )
    table.need(0 <= codec.effort <= 9, "effort must be 0 to 9")
    table.need(bool(codec.preset) or not codec.light, "a light form needs a preset, beside whose weights graphs lie")
    table.done()
    return codec
