"""TOML: read with the place of every value, taken key by key with its type, written by tomli-w.

Every mistake in a document is one sentence with file and line: "r.toml:7: [analysis]: 'name' must be a text."
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar, cast

from codectk.base.errors import CodectkError, InputError, UsageError

_HEADER = re.compile(r"\s*\[(\[?)([^\[\]]+)\]\]?\s*(#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")
_AT_LINE = re.compile(r"\s*\(at line (\d+), column \d+\)")

KeyPath = tuple[str, ...]
Kind = TypeVar("Kind")

_KINDS = {
    str: "a text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "a table",
}
_MISSING: Any = object()


@dataclass(frozen=True)
class Document:
    """A TOML document.

    Attributes:
        data: nested tables.
        where: file name, or whatever names the document in messages.
        text: what it was read from, "" for data from elsewhere.
        given: how a value was given that is not the text's ("--set loss.mse=2"), by its path.
    """

    data: Mapping[str, Any]
    where: str
    text: str = field(default="", repr=False)
    given: Mapping[KeyPath, str] = field(default_factory=dict)

    @cached_property
    def places(self) -> Mapping[KeyPath, str]:
        """Where a key stands, such as "h1.toml:7", by its path; items of an array of tables count from "0"."""
        return {**{path: f"{self.where}:{line}" for path, line in _lines(self.text).items()}, **self.given}

    def at(self, *path: str) -> str:
        """Where a key stands, or the closest table around it that is known."""
        return next(
            (self.places[path[:end]] for end in range(len(path), 0, -1) if path[:end] in self.places), self.where
        )

    def table(self, what: str, error: type[CodectkError]) -> Table:
        """The whole document, to be taken key by key.

        Args:
            what: begins the sentence about a mistake, such as "the card"; "" where the document's name says it.
            error: what a mistake is.
        """
        return Table(self, (), self.data, what, error)


class Table:
    """One table, read key by key so that every mistake is a sentence and no key is overlooked.

    Args:
        document: where it is.
        path: of it in the document.
        data: its keys.
        what: begins the sentences about it; can be changed once its name is known.
        error: what a mistake is.
    """

    def __init__(
        self, document: Document, path: KeyPath, data: Mapping[str, Any], what: str, error: type[CodectkError]
    ) -> None:
        self._document, self._path, self._left, self._error = document, path, dict(data), error
        self.what = what

    def need(self, condition: bool, sentence: str, key: str = "") -> None:
        """Raise the error of the table, with the place of `key` or of the table itself, unless a condition holds."""
        if not condition:
            place = self._document.at(*self._path, *([key] if key else []))
            raise self._error(f"{place}: {self.what}{self.what and ': '}{sentence}.")

    def take(self, key: str, kind: type[Kind], default: Kind = _MISSING) -> Kind:
        """The value of a key; a whole number is a `float`, too, but true and false are no numbers."""
        if key not in self._left:
            self.need(default is not _MISSING, f"'{key}' is missing")
            return default
        value = self._left.pop(key)
        right = isinstance(value, (int, float) if kind is float else kind)
        self.need(right and (kind is bool or not isinstance(value, bool)), f"'{key}' must be {_KINDS[kind]}", key)
        return cast(Kind, value)

    def tables(self, key: str) -> list[Table]:
        """The tables written as [[key]], none if there are none."""
        value = self._left.pop(key, [])
        right = isinstance(value, list) and all(isinstance(item, dict) for item in value)
        self.need(right, f"'{key}' must be written as [[{key}]]", key)
        return [self._inner((key, str(place)), item, f"{key} {place + 1}") for place, item in enumerate(value)]

    def named(self, key: str, what: str) -> list[tuple[str, Table]]:
        """The tables inside a table, by name, none if there are none; `what` one is called in messages."""
        value = self._left.pop(key, {})
        right = isinstance(value, dict) and all(isinstance(item, dict) for item in value.values())
        self.need(right, f"'{key}' must hold one table per name", key)
        before = f"{self.what}: {what}" if self.what else what
        return [(name, self._inner((key, name), item, f"{before} '{name}'")) for name, item in value.items()]

    def done(self) -> None:
        """Check that no key is left."""
        for key in sorted(self._left):
            self.need(False, f"unknown key '{key}'", key)

    def _inner(self, path: KeyPath, data: Mapping[str, Any], what: str) -> Table:
        return Table(self._document, (*self._path, *path), data, what, self._error)


def read(path: str | Path, *, error: type[CodectkError] = InputError) -> Document:
    """Read a TOML file.

    Raises:
        error: it cannot be read or is not TOML.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as reason:
        raise error(f"Cannot read {path}: {reason.strerror or reason}.") from reason
    except UnicodeDecodeError as reason:
        raise error(f"{path} is not valid TOML: {reason}.") from reason
    return parse(text, str(path), error=error)


def parse(text: str, where: str, *, error: type[CodectkError] = InputError) -> Document:
    """Parse TOML.

    Args:
        text: the document.
        where: names it in messages.
        error: what a mistake is.

    Raises:
        error: it is not TOML; the sentence has the line.
    """
    try:
        return Document(tomllib.loads(text), where, text)
    except tomllib.TOMLDecodeError as reason:
        line = _AT_LINE.search(str(reason))
        told = _AT_LINE.sub("", str(reason)).rstrip(".")
        raise error(f"{where}{':' + line[1] if line else ''} is not valid TOML: {told}.") from reason
    except RecursionError as reason:
        raise error(f"{where} is not valid TOML: its values lie too deep.") from reason


def override(document: Document, given: Iterable[str], top: Collection[str] = ()) -> Document:
    """Replace values of a document.

    Args:
        document: left as it is.
        given: "a.b=c" each, the value in TOML syntax; other text is a string.
        top: names of values that stand in no table.

    Raises:
        UsageError: one is no such text, or names something inside a value that is no table.
    """
    data, places = document.data, dict(document.given)
    for told in given:
        name, separator, text = told.partition("=")
        path = tuple(part.strip() for part in name.split("."))
        if not separator or not all(path) or (len(path) == 1 and path[0] not in top):
            raise UsageError(f"An override is given as --set section.key=value, not '{told}'.")
        data = _replaced(data, path, _value(text), told)
        places[path] = f"--set {told}"
    return Document(data, document.where, document.text, places)


def to_toml(tables: Mapping[str, Any]) -> str:
    """Write nested tables; equal tables give equal texts.

    Raises:
        UsageError: a value that TOML does not have.
    """
    import tomli_w

    try:
        return tomli_w.dumps(tables)
    except TypeError as error:
        raise UsageError(f"A value cannot be written as TOML: {error}.") from error


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except (tomllib.TOMLDecodeError, RecursionError):
        return text


def _replaced(data: Mapping[str, Any], path: KeyPath, value: Any, told: str) -> dict[str, Any]:
    if len(path) == 1:
        return {**data, path[0]: value}
    inner = data.get(path[0], {})
    if not isinstance(inner, Mapping):
        raise UsageError(f"--set {told}: '{path[0]}' is a value, not a table.")
    return {**data, path[0]: _replaced(inner, path[1:], value, told)}


def _lines(text: str) -> dict[KeyPath, int]:
    """The line of every table and key of a valid document; inside a value, that of the value."""
    found: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    pending = ""
    for number, line in enumerate(text.splitlines(), 1):
        if pending:
            # A value that goes on over several lines ends where what was read so far is TOML.
            pending = _rest(f"{pending}\n{line}")
        elif header := _HEADER.fullmatch(line):
            table = _numbered(_path(header[2]), counts)
            found.setdefault(table, number)
            if header[1]:
                counts[table] = counts.get(table, -1) + 1
                table = (*table, str(counts[table]))
                found[table] = number
        elif key := _KEY.match(line):
            found.setdefault((*table, *_path(key[1])), number)
            pending = _rest(line)
    return found


def _numbered(path: KeyPath, counts: Mapping[KeyPath, int]) -> KeyPath:
    """A table's path with the number of the last item in front of what lies inside an array of tables."""
    numbered: KeyPath = ()
    for place, part in enumerate(path):
        numbered = (*numbered, part)
        if numbered in counts and place < len(path) - 1:
            numbered = (*numbered, str(counts[numbered]))
    return numbered


def _rest(text: str) -> str:
    try:
        tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return text
    return ""


def _path(dotted: str) -> KeyPath:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
