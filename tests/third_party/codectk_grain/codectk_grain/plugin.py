"""The hooks. Whatever takes time to import is imported inside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codectk.spec.hooks import hookimpl

if TYPE_CHECKING:
    from codectk.bitstream.reader import Container
    from codectk.spec.stages import Stages
    from codectk.spec.summary import Summary


@hookimpl
def codectk_codec(name: str) -> Stages | None:
    if name != "grain":
        return None
    from codectk.spec.stages import Stages
    from codectk_grain.stages import Blocks, Coder, Paint

    return Stages(
        id="grain",
        stride=8,
        weights_hash="",
        portable=True,
        analysis=Blocks(),
        entropy_model=Coder(),
        synthesis=Paint(),
    )


@hookimpl
def codectk_summary(codec: str, container: Container) -> Summary | None:
    if codec != "grain":
        return None
    from codectk_grain.tones import tones

    return {"tones": tones(container)}
