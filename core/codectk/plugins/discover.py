"""What is installed, from metadata and cards alone: no plugin is imported, and none can break the listing.

Environment:
    CODECTK_PLUGINS         comma-separated plugin names; all others are left alone.
    CODECTK_STRICT_PLUGINS  "1" raises on the first plugin that is not ok, for plugin authors.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import Distribution, EntryPoint, PackageNotFoundError, distributions, metadata
from pathlib import Path
from typing import Literal

from codectk import spec
from codectk.base.errors import PluginBrokenError, PluginError, PluginIncompatibleError
from codectk.plugins.known import install_line
from codectk.spec.card import Card, parse_card

GROUP = "codectk"
"""Entry-point group: the name is the plugin's, the value its module with the hooks."""

Status = Literal["ok", "broken", "incompatible"]

_PLUGIN_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


@dataclass(frozen=True)
class PluginRecord:
    """One entry point and what became of it.

    Attributes:
        name: entry point's name.
        distribution, version: who installed it.
        module: module with the hooks, not imported yet.
        status: "ok" means that metadata and card are in order, not that the import will succeed.
        reason: a sentence if the status is not "ok", else "".
        card: the card if it could be read.
    """

    name: str
    distribution: str
    version: str
    module: str
    status: Status
    reason: str = ""
    card: Card | None = None

    @property
    def owner(self) -> str:
        """How messages name the plugin."""
        return f"plugin '{self.name}' ({self.distribution} {self.version})"

    @property
    def package(self) -> str:
        """Top-level package of the module, where card and manifest lie."""
        return self.module.split(".", 1)[0]


def advice(record: PluginRecord, error: BaseException) -> str:
    """Where a package is missing that the extra `torch` of a plugin's distribution may bring: a sentence about it."""
    if not isinstance(error, ModuleNotFoundError):
        return ""
    try:
        extras = metadata(record.distribution).get_all("Provides-Extra") or []
    except PackageNotFoundError:
        return ""
    return f" Its extra may have it: {install_line(f'{record.distribution}[torch]')}" if "torch" in extras else ""


def discover() -> list[PluginRecord]:
    """Return all plugins that CODECTK_PLUGINS allows, sorted by name and distribution.

    Raises:
        PluginError: a plugin is not ok and CODECTK_STRICT_PLUGINS is "1".
    """
    allowed = _allow_list()
    records = [record for record in installed() if allowed is None or record.name in allowed]
    records = _mark_duplicates(records)
    if is_strict():
        for record in records:
            if record.status != "ok":
                raise error_of(record)
    return records


def of_distribution(name: str) -> list[PluginRecord]:
    """Return the plugins of one distribution that CODECTK_PLUGINS allows: quicker than all, but blind to duplicates."""
    try:
        found = Distribution.from_name(name)
    except (PackageNotFoundError, ValueError):
        return []
    allowed = _allow_list()
    return [record for record in _records(found) if allowed is None or record.name in allowed]


def installed() -> list[PluginRecord]:
    """Return all plugins, whatever the environment allows, without looking for duplicates."""
    records = [record for distribution in _with_plugins() for record in _records(distribution)]
    return sorted(records, key=lambda record: (record.name, record.distribution))


def is_strict() -> bool:
    """True if the environment asks for an error instead of a listing."""
    return os.environ.get("CODECTK_STRICT_PLUGINS", "") == "1"


def error_of(record: PluginRecord) -> PluginError:
    """Return the error to raise when a plugin that is not ok is asked for."""
    kind = PluginIncompatibleError if record.status == "incompatible" else PluginBrokenError
    return kind(f"{record.owner[0].upper()}{record.owner[1:]} is {record.status}: {record.reason}")


def _allow_list() -> set[str] | None:
    value = os.environ.get("CODECTK_PLUGINS")
    return None if value is None else {name.strip() for name in value.split(",") if name.strip()}


def _with_plugins() -> Iterable[Distribution]:
    """Yield distributions that mention the group; of several with one name, the first on the path."""
    seen: set[str] = set()
    for distribution in distributions():
        # Cheap test first: parsing the metadata of everything installed would cost most of the start-up time.
        if f"[{GROUP}]" not in (_read(distribution, "entry_points.txt") or ""):
            continue
        name = re.sub(r"[-_.]+", "-", _text(distribution, "Name")).lower()
        if name not in seen:
            seen.add(name)
            yield distribution


def _read(distribution: Distribution, name: str) -> str | None:
    try:
        return distribution.read_text(name)
    except (OSError, UnicodeDecodeError):
        return None


def _text(distribution: Distribution, key: str) -> str:
    """Return a metadata field, or "unknown": a half-removed distribution has none."""
    try:
        return str(distribution.metadata[key] or "unknown")
    except (KeyError, OSError, UnicodeDecodeError, TypeError):
        return "unknown"


def _records(distribution: Distribution) -> Iterable[PluginRecord]:
    name, version = _text(distribution, "Name"), _text(distribution, "Version")
    try:
        points: list[EntryPoint] = [point for point in distribution.entry_points if point.group == GROUP]
    except Exception as error:  # a malformed entry_points.txt fails in many ways inside importlib.metadata
        yield PluginRecord(name, name, version, "", "broken", f"entry_points.txt cannot be read: {error}.")
        return
    for point in points:
        record = PluginRecord(point.name, name, version, point.value, "ok")
        try:
            yield replace(record, card=_card(record))
        except PluginError as error:
            status: Status = "incompatible" if isinstance(error, PluginIncompatibleError) else "broken"
            yield replace(record, status=status, reason=str(error))


def _card(record: PluginRecord) -> Card:
    """Find and read the card of a plugin without importing it."""
    if not _PLUGIN_NAME.fullmatch(record.name):
        raise PluginBrokenError(f"The entry point's name '{record.name}' must be lower-case letters, digits, -, _.")
    if not _MODULE.fullmatch(record.module):
        raise PluginBrokenError(f"The entry point's value '{record.module}' is not the name of a module.")
    package, *inner = record.module.split(".")
    spec = _spec(package)
    if spec is None:
        raise PluginBrokenError(
            f"The entry point is stale: package '{package}' is gone; run 'pip uninstall {record.distribution}'."
        )
    if spec.submodule_search_locations is None:
        raise PluginBrokenError(f"'{package}' is a single module, not a package, so it has no place for card.toml.")
    folders = list(spec.submodule_search_locations)
    if not _has_module(package, inner, folders):
        raise PluginBrokenError(f"The entry point is stale: package '{package}' has no module '{record.module}'.")
    for folder in folders:
        path = Path(folder, "card.toml")
        if path.is_file():
            card = _parse(path, package)
            _check_prefix(record, card)
            return card
    raise PluginBrokenError(f"Package '{package}' has no card.toml beside its code.")


def _spec(package: str) -> ModuleSpec | None:
    """Locate a top-level package; this runs none of its code."""
    if package in sys.modules:
        return sys.modules[package].__spec__
    try:
        return importlib.util.find_spec(package)
    except Exception as error:  # finders of other projects may raise anything
        raise PluginBrokenError(f"Package '{package}' cannot be located: {error}.") from error


def _has_module(package: str, inner: list[str], folders: list[str]) -> bool:
    """True if the dotted module exists below the package; parents are not imported."""
    name, where = package, folders
    for part in inner:
        name = f"{name}.{part}"
        spec = PathFinder.find_spec(name, where)
        if spec is None:
            return False
        where = list(spec.submodule_search_locations or [])
    return True


def _parse(path: Path, package: str) -> Card:
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PluginBrokenError(f"The card of package '{package}' cannot be read: {error}.") from error
    return _parse_text(text, f"{package}/card.toml", spec.API)


@functools.lru_cache(maxsize=256)
def _parse_text(text: str, where: str, api: int) -> Card:
    """A card parsed once for its text and the version that judges it: every call of `encode` looks at all of them."""
    return parse_card(text, where)


def _check_prefix(record: PluginRecord, card: Card) -> None:
    for component in card.components:
        if component.id.split(".", 1)[0] != record.name:
            raise PluginBrokenError(f"Component '{component.id}' must be named '{record.name}.<name>'.")


def _mark_duplicates(records: list[PluginRecord]) -> list[PluginRecord]:
    """Mark every owner of a name that another plugin has too as broken, naming both.

    Component ids start with the plugin's name, so they are unique if plugins are.
    """
    owners: dict[tuple[str, str], list[int]] = {}
    for place, record in enumerate(records):
        owners.setdefault(("plugin", record.name), []).append(place)
        if record.status == "ok" and record.card is not None:
            for codec in record.card.codecs:
                owners.setdefault(("codec", codec.name), []).append(place)
    marked = list(records)
    for (kind, name), places in owners.items():
        for place in places if len(places) > 1 else []:
            others = " and ".join(records[other].owner for other in places if other != place)
            cure = "uninstall one" if kind == "plugin" else "uninstall one, or name the one you want in CODECTK_PLUGINS"
            reason = f"The {kind} name '{name}' is also taken by {others}; {cure}."
            if marked[place].status == "ok":
                marked[place] = replace(marked[place], status="broken", reason=reason)
    return marked
