"""SGC's hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codectk.spec.hooks import hookimpl

if TYPE_CHECKING:
    from codectk.spec.stages import EntropyModel

CODERS = ("sgc.label_coder", "sgc.color_coder", "sgc.semantic_coder")


@hookimpl
def codectk_entropy_model(name: str, options: Mapping[str, Any]) -> EntropyModel | None:
    """A coder with the shipped networks; its option `classes`, where it codes labels, is their number (182)."""
    if name not in CODERS:
        return None
    from codectk_sgc.entropy import build

    return build(name, options)
