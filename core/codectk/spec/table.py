"""Reading a TOML table of a card strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codectk.base.errors import PluginBrokenError


class Table:
    """One TOML table, read key by key so that every mistake is a sentence and no key is overlooked."""

    _MISSING = object()

    def __init__(self, data: Mapping[str, Any], where: str, what: str) -> None:
        self._rest, self._where, self.what = dict(data), where, what

    def need(self, condition: bool, sentence: str) -> None:
        if not condition:
            raise PluginBrokenError(f"{self._where}: {self.what}: {sentence}.")

    def take(self, key: str, kind: type, default: object = _MISSING) -> Any:
        value = self._rest.pop(key, default)
        self.need(value is not self._MISSING, f"'{key}' is missing")
        allowed = (int, float) if kind is float else kind
        right = isinstance(value, allowed) and (kind is bool or not isinstance(value, bool))
        self.need(right, f"'{key}' must be of type {kind.__name__}")
        return value

    def tables(self, key: str) -> list[Table]:
        value = self._rest.pop(key, [])
        right = isinstance(value, list) and all(isinstance(item, dict) for item in value)
        self.need(right, f"'{key}' must be written as [[{key}]]")
        return [Table(item, self._where, f"[[{key}]] number {place}") for place, item in enumerate(value, 1)]

    def named(self, key: str) -> list[tuple[str, Table]]:
        value = self._rest.pop(key, {})
        right = isinstance(value, dict) and all(isinstance(item, dict) for item in value.values())
        self.need(right, f"'{key}' must hold one table per name")
        return [(name, Table(item, self._where, f"{self.what}: knob '{name}'")) for name, item in value.items()]

    def done(self) -> None:
        extra = ", ".join(f"'{key}'" for key in sorted(self._rest))
        self.need(not extra, f"unknown key {extra}")
