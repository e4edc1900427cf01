"""Hook calls on stderr, one line per call, for plugin authors.

CODECTK_TRACE_PLUGINS=1 codectk encode photo.png -o photo.ctk --codec mine
codectk: trace: mine: codectk_codec(name='mine', device='cpu', weights=None) -> Stages, 12.3 ms
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import Any

import pluggy

TRACE = "CODECTK_TRACE_PLUGINS"

MAX_VALUE = 80
"""Longest argument that is shown whole, in characters."""


def watch(manager: pluggy.PluginManager, plugin: str) -> None:
    """Print the hook calls of a manager with one plugin, if the environment asks for it.

    Args:
        manager: before its hooks are called.
        plugin: name to print.
    """
    if os.environ.get(TRACE, "") != "1":
        return
    started: list[float] = []  # a stack: a hook may call another one

    def before(hook_name: str, hook_impls: Any, kwargs: Mapping[str, Any]) -> None:
        started.append(time.perf_counter())

    def after(outcome: pluggy.Result[Any], hook_name: str, hook_impls: Any, kwargs: Mapping[str, Any]) -> None:
        milliseconds = (time.perf_counter() - started.pop()) * 1000
        arguments = ", ".join(f"{name}={short(repr(value))}" for name, value in kwargs.items())
        call = f"{plugin}: {hook_name}({arguments})"
        print(f"codectk: trace: {call} {_result(outcome, hook_impls)}, {milliseconds:.1f} ms", file=sys.stderr)

    manager.add_hookcall_monitoring(before, after)


def _result(outcome: pluggy.Result[Any], hook_impls: Any) -> str:
    error = outcome.exception
    if error is not None:
        return f"raised {short(f'{type(error).__name__}: {error}')}"
    if not hook_impls:
        return "is not implemented"
    value = outcome.get_result()
    return "-> None" if value is None else f"-> {type(value).__name__}"


def short(text: str) -> str:
    """A text as one line of at most `MAX_VALUE` characters."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_VALUE else f"{line[: MAX_VALUE - 3]}..."
