"""Arguments of the Python API, judged in one place: each is of its kind, or a sentence says what is wanted."""

from __future__ import annotations

import difflib
import math
import os
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral, Real
from types import MappingProxyType
from typing import Any

from codectk.base.errors import UsageError

_Kind = tuple[str, Callable[[Any], bool]]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _is_number(value: Any) -> bool:
    # A truth value is a number to Python, but never meant as one.
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


_TEXT: _Kind = ("is named by a text that is not empty", _is_text)
_NAME: _Kind = ("must be a name or a path", lambda value: _is_text(value) or isinstance(value, os.PathLike))
_FLAG: _Kind = ("must be True or False", lambda value: isinstance(value, bool))
_POSITIVE: _Kind = ("must be a positive number", lambda value: _is_number(value) and value > 0)
_COUNT: _Kind = ("must be a whole number from 0", lambda value: _is_whole(value) and value >= 0)
_TRIES: _Kind = ("must be a whole number of at least 1", lambda value: _is_whole(value) and value >= 1)
_CALL: _Kind = ("must be a function", callable)
_MAPPING: _Kind = (
    "must be a mapping of amounts by name, such as {'smile': 1.5}",
    lambda value: isinstance(value, Mapping),
)

_REQUIRED: Mapping[str, _Kind] = MappingProxyType(
    {
        "codec": _TEXT,
        "device": _TEXT,
        "engine": _TEXT,
        "strict": _FLAG,
        "keep_icc": _FLAG,
        "aligned": _FLAG,
        "strict_domain": _FLAG,
        "clear": _FLAG,
        "progress": _CALL,
    }
)
_OPTIONAL: Mapping[str, _Kind] = MappingProxyType(
    {
        "weights": _NAME,
        "target_bpp": _POSITIVE,
        "target_bytes": _POSITIVE,
        "best_of": _TRIES,
        "layers": _COUNT,
        "edits": _MAPPING,
    }
)


def check(**given: Any) -> None:
    """Judge arguments by their names.

    Args:
        **given: arguments of public functions, of the kinds above; None where a function has it as default.

    Raises:
        UsageError: one is of another kind.
    """
    for name, value in given.items():
        optional = name in _OPTIONAL
        what, fits = _OPTIONAL[name] if optional else _REQUIRED[name]
        if (value is None and optional) or fits(value):
            continue
        shown = repr(value)
        raise UsageError(
            f"{name} {what}, not {shown if len(shown) <= 60 else shown[:57] + '...'} ({type(value).__name__})."
        )


def closest(name: str, others: Iterable[str]) -> str:
    """A question with the one of `others` that looks most like `name`, or nothing."""
    close = difflib.get_close_matches(name, list(others), n=1)
    return f" (did you mean '{close[0]}'?)" if close else ""
