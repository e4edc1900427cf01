"""Calls of plugins on stderr, one line per call, for plugin authors.

CODECTK_TRACE_PLUGINS=1 codectk encode photo.png -o photo.ctk --codec mine
codectk: trace: mine: codectk_codec(name='mine', device='cpu', weights=None) -> Stages, 12.3 ms
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

TRACE = "CODECTK_TRACE_PLUGINS"

MAX_VALUE = 80
"""Longest argument that is shown whole, in characters."""


def watched(plugin: str, what: str, function: Callable[..., Any], arguments: Mapping[str, Any], there: bool) -> Any:
    """Call a function, and print the call if the environment asks for it.

    Args:
        plugin, what: whose function it is, and what to call it.
        function, arguments: what to call.
        there: false for a hook that the plugin does not have.
    """
    if os.environ.get(TRACE, "") != "1":
        return function(**arguments)
    started, told = time.perf_counter(), "is not implemented"
    try:
        result = function(**arguments)
        if there:
            told = "-> None" if result is None else f"-> {type(result).__name__}"
    except BaseException as error:
        told = f"raised {short(f'{type(error).__name__}: {error}')}"
        raise
    finally:
        milliseconds = (time.perf_counter() - started) * 1000
        shown = ", ".join(f"{name}={short(repr(value))}" for name, value in arguments.items())
        print(f"codectk: trace: {plugin}: {what}({shown}) {told}, {milliseconds:.1f} ms", file=sys.stderr)
    return result


def short(text: str) -> str:
    """A text as one line of at most `MAX_VALUE` characters."""
    line = " ".join(text.split())
    return line if len(line) <= MAX_VALUE else f"{line[: MAX_VALUE - 3]}..."
