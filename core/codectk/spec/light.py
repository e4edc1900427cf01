"""How a codec is wired without torch: its programs over numpy arrays, its networks as graphs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from codectk.base.types import Context
from codectk.spec.stages import Backend, Stages

ENGINES = ("auto", "torch", "onnx")
"""What runs networks: torch, or ONNX Runtime with graphs, which needs no torch. "auto" takes graphs on the CPU where a
codec has some, unless this process has imported torch already."""

Wire = Callable[[Any, Mapping[str, Any], str, Backend], Stages]


@dataclass(frozen=True)
class Light:
    """A codec's light form, whose place its card names under `light`.

    Attributes:
        wire: parts, options of the network, sha256 of its weights and a carrier of pixels -> stages. Parts are called
            by the names that they have in the torch network: `parts.under("synthesis").g_s0` is a callable, a list of
            them, a tensor, or a prior. Raises UsageError for options that have no light form.
        examples: sizes and knobs to make graphs from, two at least: a dimension that is the same in all of them is
            the same in every picture. Where the light form only decodes, by the card, torch's analysis makes values.
    """

    wire: Wire
    examples: tuple[Context, ...]
