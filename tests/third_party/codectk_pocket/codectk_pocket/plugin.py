"""The hooks. Whatever takes time to import is imported inside them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codectk.spec.hooks import hookimpl
from codectk.spec.stages import Post, Stages


@hookimpl
def codectk_codec(name: str, device: str) -> Stages | None:
    if name != "pocket":
        return None
    from codectk_pocket.entropy import ContextModel
    from codectk_pocket.transform import BlockAnalysis, BlockSynthesis, Deblock

    return Stages(
        id="pocket",
        stride=16,
        weights_hash="",
        portable=True,
        analysis=BlockAnalysis(),
        entropy_model=ContextModel(),
        synthesis=BlockSynthesis(),
        post=Deblock(),
    )


@hookimpl
def codectk_post(name: str, options: Mapping[str, Any]) -> Post | None:
    if name != "pocket.deblock":
        return None
    from codectk_pocket.transform import Deblock

    return Deblock()
