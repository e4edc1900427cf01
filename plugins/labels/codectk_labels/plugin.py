"""The hooks of codectk-labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codectk.spec.hooks import hookimpl

if TYPE_CHECKING:
    from codectk_labels.conditioning import Labels


@hookimpl
def codectk_conditioning(name: str, options: Mapping[str, Any]) -> Labels | None:
    """The segmenter as a stage; the option `sides` lists longer sides in pixels, see `predict.probabilities`."""
    if name != "labels.segmenter":
        return None
    from codectk_labels.conditioning import build

    return build(options)
