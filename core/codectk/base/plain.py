"""Plain values as JSON, in one way for all reports, tables and logs."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any


def to_json(value: Any, *, indent: int | None = 2) -> str:
    """JSON text that every reader takes.

    JSON has no infinity and no "not a number": such floats, like the PSNR of two equal pictures, become null.

    Args:
        value: mappings, sequences, texts, numbers (also those of numpy), booleans and None.
        indent: spaces for each level; None writes one line.

    Raises:
        TypeError: there is something else in it.
    """
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    if hasattr(value, "item") and getattr(value, "ndim", None) == 0:  # a number of numpy
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
