"""Options of what a plugin builds: named configurations of a network and fields to change, or few, or none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any, TypeVar

from codectk.base.errors import UsageError

Config = TypeVar("Config")


def configured(title: str, configurations: Mapping[str, Config], options: Mapping[str, Any]) -> Config:
    """A configuration by name, with fields replaced (for ablations and searches).

    Args:
        title: of the codec, for messages.
        configurations: frozen dataclasses by name; "small" is the default.
        options: `config` names one, other keys replace its fields; lists, as TOML and JSON have them, become tuples.

    Raises:
        UsageError: an unknown configuration or field, or a value that a field refuses.
    """
    changes: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in options.items()}
    name = changes.pop("config", "small")
    if name not in configurations:
        raise UsageError(f"{title} has no configuration '{name}'; it has {', '.join(configurations)}.")
    try:
        return replace(configurations[name], **changes)  # type: ignore[type-var]
    except TypeError as error:
        raise UsageError(f"{title}'s configuration does not know that option: {error}.") from error


def check_options(what: str, options: Mapping[str, Any], known: Collection[str] = ()) -> None:
    """Refuse options that a component does not have.

    Args:
        what: the component, for messages.
        options: what it was given.
        known: names of those that it has.

    Raises:
        UsageError: there is another one.
    """
    for option in options:
        if option not in known:
            raise UsageError(f"{what} has no option '{option}'; it has {', '.join(known) or 'none'}.")
