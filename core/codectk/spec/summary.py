"""What is in a file, in a few words that its codec's plugin has for it."""

from __future__ import annotations

import math
from collections.abc import Mapping

Summary = Mapping[str, str | Mapping[str, float]]
"""A sentence or two, or shares of the whole by name (0..1, largest first), by what they are about:
{"labels": {"sky": 0.6, "sea": 0.4}}."""


def wrong_with(summary: object) -> str:
    """What breaks the rules of a `Summary`, for the middle of a sentence; "" if nothing does."""
    if not isinstance(summary, Mapping):
        return f"it is a {type(summary).__name__} and no mapping"
    for name, value in summary.items():
        if not _is_text(name):
            return f"{name!r} is no name"
        if isinstance(value, Mapping):
            for part, share in value.items():
                if not _is_text(part) or isinstance(share, bool) or not isinstance(share, int | float):
                    return f"'{name}' has {part!r}: {share!r}, which is no share by name"
                if not (math.isfinite(share) and 0 <= share <= 1):
                    return f"'{name}' has the share {share!r}, which is not within 0 to 1"
        elif not _is_text(value):
            return f"'{name}' is {value!r} and neither one line of text nor shares by name"
    return ""


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()
