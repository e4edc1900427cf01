"""`card.toml` of a bundle: what a person wants to know before using it.

    format = 1
    name = "segpic-crisp"            # as a codec id
    title = "SegPIC trained against OASIS-C"
    licence = "CC-BY-SA-4.0"         # of the weights; the next three are optional
    data = "598 photos: ..."
    training = "recipes/h1.toml, from segpic-small"
    steps = 6000

    [[plugin]]                       # all that the recipe needs, at least one
    name = "segpic"
    distribution = "codectk-segpic"
    version = "0.1.0"                # with which it was made

    [[result]]                       # measured, any number
    on = "kodak-24, quality 25"
    [result.values]
    bpp = 0.21
    "LPIPS (Alex v0.1)" = 0.12

Unknown keys are errors: a new key is a new `format`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from codectk.base import toml
from codectk.base.errors import BitstreamError, WeightsError
from codectk.base.toml import Table
from codectk.bitstream.codecs import MAX_NEEDS, check_codec, check_distribution, number_of

FORMAT = 1
"""The only version of the card so far."""

MAX_RESULTS = 256
"""Most results of a card."""

_PLUGIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+!_-]{0,63}")
_MAX_TEXT = 4096
_LARGEST = 1e300
_NEEDED, _OPTIONAL = ("title", "licence"), ("data", "training")


@dataclass(frozen=True)
class NeededPlugin:
    """A plugin that a bundle needs: its name, the distribution that brings it, the version it was made with."""

    name: str
    distribution: str
    version: str


@dataclass(frozen=True)
class Result:
    """What was measured, such as bits per pixel and PSNR: `on` says on which pictures and at which setting."""

    on: str
    values: Mapping[str, float] = field(hash=False)


@dataclass(frozen=True)
class BundleCard:
    """A bundle in words.

    Attributes:
        name: what it is called, unique among its user's codecs; not the id of a codec with a number in the format.
        title: one line.
        licence: of the weights.
        plugins: all that its recipe needs.
        data: what it was trained on, or "".
        training: how it was trained, or "".
        steps: steps of training, or 0 if unknown.
        results: what was measured.
    """

    name: str
    title: str
    licence: str
    plugins: tuple[NeededPlugin, ...]
    data: str = ""
    training: str = ""
    steps: int = 0
    results: tuple[Result, ...] = ()

    @property
    def distributions(self) -> tuple[str, ...]:
        """What to install, without repetition."""
        return tuple(dict.fromkeys(plugin.distribution for plugin in self.plugins))


def write_card(card: BundleCard) -> str:
    """The card as TOML; equal cards give equal texts.

    Raises:
        WeightsError: it breaks a rule of the card, which is named.
    """
    made: dict[str, object] = {"format": FORMAT, "name": card.name, "title": card.title, "licence": card.licence}
    made |= {key: value for key in (*_OPTIONAL, "steps") if (value := getattr(card, key))}
    made["plugin"] = [vars(plugin) for plugin in card.plugins]
    made["result"] = [{"on": result.on, "values": dict(result.values)} for result in card.results]
    text = toml.to_toml({key: value for key, value in made.items() if value != []})
    parse_card(text, "The bundle's card")
    return text


def parse_card(text: str, where: str) -> BundleCard:
    """Read a card.

    Args:
        text: TOML.
        where: named in messages.

    Raises:
        WeightsError: not TOML, of another format, or a rule is broken, which is named.
    """
    head = toml.parse(text, where, error=WeightsError).table("", WeightsError)
    form = head.take("format", int)
    head.need(form == FORMAT, f"it is of format {form}; this codectk reads format {FORMAT}", "format")
    texts = {key: _text(head, key) for key in ("name", *_NEEDED)}
    optional = {key: value for key in _OPTIONAL if (value := _text(head, key, ""))}
    steps = head.take("steps", int, 0)
    head.need(0 <= steps < 2**63, "'steps' must be a whole number from 0 on", "steps")
    plugins = tuple(map(_plugin, head.tables("plugin")))
    results = tuple(map(_result, head.tables("result")))
    head.done()
    _check_name(head, texts["name"])
    card = BundleCard(plugins=plugins, steps=steps, results=results, **texts, **optional)
    alone = bool(plugins) and len({plugin.name for plugin in plugins}) == len(plugins)
    head.need(alone, "a bundle needs at least one plugin, and each is listed once", "plugin")
    head.need(len(card.distributions) <= MAX_NEEDS, f"a bundle needs at most {MAX_NEEDS} distributions", "plugin")
    head.need(len(results) <= MAX_RESULTS, f"there are more than {MAX_RESULTS} results", "result")
    return card


def _plugin(table: Table) -> NeededPlugin:
    name, distribution, version = (_text(table, key) for key in ("name", "distribution", "version"))
    table.done()
    right = _PLUGIN.fullmatch(name) and _VERSION.fullmatch(version)
    table.need(bool(right), f"{name!r} {version!r} is not the name and the version of a plugin")
    try:
        check_distribution(distribution.encode())
    except BitstreamError as error:
        table.need(False, str(error).rstrip("."), "distribution")
    return NeededPlugin(name, distribution, version)


def _result(table: Table) -> Result:
    on, values = _text(table, "on"), table.take("values", dict)
    table.done()
    table.need(bool(values), "'values' must be a table of numbers by name", "values")
    for key, value in values.items():
        _check_text(table, key, "the name of a value")
        # NaN fails, too.
        right = type(value) in (int, float) and -_LARGEST <= value <= _LARGEST
        table.need(right, f"'{key}' must be a finite number", "values")
    return Result(on, values)


def _check_name(table: Table, name: str) -> None:
    try:
        check_codec(name.encode(errors="replace"))
    except BitstreamError as error:
        table.need(False, str(error).rstrip("."), "name")
    own = number_of(name) is None
    table.need(own, f"'{name}' is the name of a codec; a bundle needs one of its own", "name")


def _text(table: Table, key: str, default: str | None = None) -> str:
    value = table.take(key, str) if default is None else table.take(key, str, default)
    if value != default:
        _check_text(table, value, f"'{key}'")
    return value


def _check_text(table: Table, value: str, what: str) -> None:
    """Texts of strangers are shown on terminals, which obey control characters."""
    right = value.strip() and value.isprintable() and len(value) <= _MAX_TEXT
    table.need(bool(right), f"{what} must be one line of 1 to {_MAX_TEXT} printable characters")
