"""Options of what a plugin builds: named configurations of a network and fields to change, or few, or none."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from codectk.base.arguments import closest
from codectk.base.errors import UsageError

Config = TypeVar("Config")


def configured(
    title: str, configurations: Mapping[str, Config], options: Mapping[str, Any], besides: Collection[str] = ()
) -> Config:
    """A configuration by name, with fields replaced (for ablations and searches).

    Args:
        title: of the codec or component, for messages.
        configurations: frozen dataclasses by name; "small" is the default.
        options: `config` names one, other keys replace its fields; lists, as TOML and JSON have them, become tuples.
        besides: options that the caller has taken out, for messages.

    Raises:
        UsageError: an unknown configuration or field, a value of another type than the field's, or one that the
            configuration refuses.
    """
    changes: dict[str, Any] = {key: _frozen(value) for key, value in options.items()}
    name = changes.pop("config", "small")
    if not isinstance(name, str) or name not in configurations:
        hint = closest(name, configurations) if isinstance(name, str) else ""
        raise UsageError(f"{title} has no configuration {name!r}{hint}; it has {', '.join(configurations)}.")
    chosen = configurations[name]
    check_options(title, changes, ("config", *besides, *(field.name for field in fields(chosen))))  # type: ignore[arg-type]
    for key, value in changes.items():
        example = next(filter(None, (getattr(c, key) for c in configurations.values())), getattr(chosen, key))
        if not _alike(value, example):
            raise UsageError(f"{title}'s option '{key}' is like {_shown(example)}, not {_shown(value)}.")
    try:
        return replace(chosen, **changes)  # type: ignore[type-var]
    except (TypeError, ValueError) as error:
        raise UsageError(f"{title} does not take these options: {error}.") from error


def _frozen(value: Any) -> Any:
    """Lists, as TOML and JSON have them, as tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _alike(value: Any, example: Any) -> bool:
    """Whether a value has the type of another one; whole numbers are numbers, tuples are alike where all items are."""
    if isinstance(example, tuple):
        return isinstance(value, tuple) and all(_alike(item, kind) for item in value for kind in example[:1])
    return type(value) is type(example) or (isinstance(example, float) and type(value) is int)


def _shown(value: Any) -> str:
    """As TOML writes it."""
    if isinstance(value, tuple):
        return f"[{', '.join(map(_shown, value))}]"
    return str(value).lower() if isinstance(value, bool) else repr(value)


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
            listed = ", ".join(known) or "none"
            raise UsageError(f"{what} has no option '{option}'{closest(option, known)}; it has {listed}.")
