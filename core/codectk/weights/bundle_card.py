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

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from codectk.base.errors import BitstreamError, WeightsError
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
    head: dict[str, object] = {"format": FORMAT, "name": card.name, "title": card.title, "licence": card.licence}
    head |= {key: value for key in (*_OPTIONAL, "steps") if (value := getattr(card, key))}
    lines = _pairs(head)
    for plugin in card.plugins:
        lines += ["", "[[plugin]]", *_pairs(vars(plugin))]
    for result in card.results:
        lines += ["", "[[result]]", *_pairs({"on": result.on}), "[result.values]", *_pairs(result.values)]
    text = "\n".join(lines) + "\n"
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
    try:
        data = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise WeightsError(f"{where} is not valid TOML: {error}.") from error
    if data.get("format") != FORMAT:
        raise WeightsError(f"{where} is of format {data.get('format')!r}; this codectk reads format {FORMAT}.")
    _only(data, {"format", "name", *_NEEDED, *_OPTIONAL, "steps", "plugin", "result"}, where)
    name = _name(data.get("name"), where)
    steps = data.get("steps", 0)
    if type(steps) is not int or not 0 <= steps < 2**63:
        raise WeightsError(f"{where}: steps must be a whole number, not {steps!r}.")
    plugins = tuple(_plugin(table, f"{where}, plugin {n}") for n, table in enumerate(_tables(data, "plugin", where), 1))
    card = BundleCard(
        name=name,
        plugins=plugins,
        steps=steps,
        results=tuple(_result(t, f"{where}, result {n}") for n, t in enumerate(_tables(data, "result", where), 1)),
        **{key: _text(data, key, where) for key in _NEEDED},
        **{key: _text(data, key, where) for key in _OPTIONAL if key in data},
    )
    if not plugins or len({plugin.name for plugin in plugins}) < len(plugins):
        raise WeightsError(f"{where}: a bundle needs at least one plugin, and each is listed once.")
    if len(card.distributions) > MAX_NEEDS:
        raise WeightsError(f"{where}: a bundle needs at most {MAX_NEEDS} distributions.")
    if len(card.results) > MAX_RESULTS:
        raise WeightsError(f"{where}: there are more than {MAX_RESULTS} results.")
    return card


def _plugin(table: dict[str, Any], where: str) -> NeededPlugin:
    _only(table, {"name", "distribution", "version"}, where)
    name, distribution, version = (_text(table, key, where) for key in ("name", "distribution", "version"))
    if not _PLUGIN.fullmatch(name) or not _VERSION.fullmatch(version):
        raise WeightsError(f"{where}: {name!r} {version!r} is not the name and the version of a plugin.")
    try:
        check_distribution(distribution.encode())
    except BitstreamError as error:
        raise WeightsError(f"{where}: {error}") from error
    return NeededPlugin(name, distribution, version)


def _result(table: dict[str, Any], where: str) -> Result:
    _only(table, {"on", "values"}, where)
    values = table.get("values")
    if not isinstance(values, dict) or not values:
        raise WeightsError(f"{where}: values must be a table of numbers by name.")
    for key, value in values.items():
        _check_text(key, f"{where}: the name of a value")
        if type(value) not in (int, float) or not -_LARGEST <= value <= _LARGEST:  # NaN fails, too
            raise WeightsError(f"{where}: '{key}' must be a finite number.")
    return Result(_text(table, "on", where), values)


def _name(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise WeightsError(f"{where}: name must be a text.")
    try:
        name = check_codec(value.encode(errors="replace"))
    except BitstreamError as error:
        raise WeightsError(f"{where}: {error}") from error
    if number_of(name) is not None:
        raise WeightsError(f"{where}: '{name}' is the name of a codec; a bundle needs one of its own.")
    return name


def _only(table: Mapping[str, object], keys: set[str], where: str) -> None:
    if unknown := sorted(set(table) - keys):
        raise WeightsError(f"{where}: unknown key {unknown[0]!r}.")


def _tables(data: dict[str, Any], key: str, where: str) -> list[dict[str, Any]]:
    value = data.get(key, [])
    if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
        raise WeightsError(f"{where}: {key} must be written as [[{key}]].")
    return value


def _text(table: Mapping[str, object], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str):
        raise WeightsError(f"{where}: {key} must be a text.")
    _check_text(value, f"{where}: {key}")
    return value


def _check_text(value: str, what: str) -> None:
    """Texts of strangers are shown on terminals, which obey control characters."""
    if not value.strip() or not value.isprintable() or len(value) > _MAX_TEXT:
        raise WeightsError(f"{what} must be one line of 1 to {_MAX_TEXT} printable characters.")


def _pairs(values: Mapping[str, object]) -> list[str]:
    return [f"{_key(key)} = {_quoted(v) if isinstance(v, str) else repr(v)}" for key, v in values.items()]


def _key(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z0-9_-]+", text) else _quoted(text)


def _quoted(text: str) -> str:
    """A text in TOML, which differs from JSON's in one character."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
