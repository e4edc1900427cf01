"""TOML whose values remember where they stand, for messages; and values given on the command line instead."""

from __future__ import annotations

import json
import math
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from codectk.base.errors import InputError, UsageError

_HEADER = re.compile(r"\s*\[\[?([^\[\]]+)\]\]?\s*(#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")
_BARE = re.compile(r"[A-Za-z0-9_-]+")

KeyPath = tuple[str, ...]

TOP = ("title", "name", "weights")
"""Values of a recipe that stand in no table."""


@dataclass(frozen=True)
class Document:
    """A TOML document.

    Attributes:
        data: nested tables.
        where: file name, or whatever names the document in messages.
        places: where a key stands ("h1.toml:7", "--set loss.mse=2"), by its path.
    """

    data: Mapping[str, Any]
    where: str
    places: Mapping[KeyPath, str] = field(default_factory=dict)

    def at(self, *path: str) -> str:
        """Where a key stands, or the closest table around it that is known."""
        for end in range(len(path), 0, -1):
            if path[:end] in self.places:
                return self.places[path[:end]]
        return self.where


def read_document(path: str | Path, overrides: Iterable[str] = ()) -> Document:
    """Read a TOML file and apply `a.b=c` overrides.

    Raises:
        InputError: the file is missing or not TOML.
        UsageError: an override makes no sense.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"Cannot read the recipe {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a TOML recipe: {error}.") from error
    return parse_document(text, str(path), overrides)


def parse_document(text: str, where: str, overrides: Iterable[str] = ()) -> Document:
    """Parse TOML and apply overrides.

    Raises:
        InputError: it is not TOML; the sentence has the line.
        UsageError: an override makes no sense.
    """
    try:
        data: Mapping[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = _AT_LINE.search(str(error))
        reason = _AT_LINE.sub("", str(error)).rstrip(".")
        raise InputError(f"{where}{':' + line[1] if line else ''} is not a TOML recipe: {reason}.") from error
    places = {path: f"{where}:{line}" for path, line in _lines(text).items()}
    for given in overrides:
        data, path = override(data, given)
        places[path] = f"--set {given}"
    return Document(data, where, places)


def override(data: Mapping[str, Any], given: str) -> tuple[dict[str, Any], KeyPath]:
    """Replace one value.

    Args:
        data: nested tables; left as they are.
        given: "a.b=c", the value in TOML syntax; other text is a string.

    Returns:
        A changed copy, and the path of the value.

    Raises:
        UsageError: it is no such text, or names something inside a value that is no table.
    """
    name, separator, text = given.partition("=")
    path = tuple(part.strip() for part in name.split("."))
    if not separator or not all(path) or (len(path) == 1 and path[0] not in TOP):
        raise UsageError(f"An override is given as --set section.key=value, not '{given}'.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    changed = dict(data)
    at = changed
    for part in path[:-1]:
        inner = at.get(part, {})
        if not isinstance(inner, Mapping):
            raise UsageError(f"--set {given}: '{part}' is a value, not a table.")
        at[part] = dict(inner)
        at = at[part]
    at[path[-1]] = value
    return changed, path


def to_toml(tables: Mapping[str, Any]) -> str:
    """Write nested tables: values first, then one `[table]` each, with tables inside tables in line.

    Raises:
        UsageError: a value that TOML does not have.
    """
    lines = [f"{_key(name)} = {_value(value)}" for name, value in tables.items() if not isinstance(value, Mapping)]
    for name, table in tables.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{_key(name)}]", *(f"{_key(key)} = {_value(value)}" for key, value in table.items())]
    return "\n".join(lines).strip() + "\n"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _text(name)


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {_value(inner)}" for key, inner in value.items()) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    raise UsageError(f"A recipe cannot hold {value!r}.")


def _text(value: str) -> str:
    # What JSON writes for a character beyond 16 bits is no text in TOML, so only control characters are escaped.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _lines(text: str) -> dict[KeyPath, int]:
    """The line of every table and key of a valid document; inside a value, that of the value."""
    found: dict[KeyPath, int] = {}
    table: KeyPath = ()
    pending = ""
    for number, line in enumerate(text.splitlines(), 1):
        if pending:
            # A value that goes on over several lines ends where what was read so far is TOML.
            pending = _rest(f"{pending}\n{line}")
        elif header := _HEADER.fullmatch(line):
            table = _path(header[1])
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, *_path(key[1])), number)
            pending = _rest(line)
    return found


def _rest(text: str) -> str:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text
    return ""


def _path(dotted: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
