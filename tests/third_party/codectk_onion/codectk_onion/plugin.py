"""The hooks. Whatever takes time to import is imported inside them."""

from __future__ import annotations

from codectk.spec.edits import Edit
from codectk.spec.hooks import hookimpl
from codectk.spec.stages import Stages

EDITS = (
    Edit("light", "brighter or darker", -4, 4, "8 grey levels"),
    Edit("warm", "more red and less blue, or the other way round", -2, 2, "8 grey levels"),
)


@hookimpl
def codectk_codec(name: str, device: str) -> Stages | None:
    if name != "onion":
        return None
    from codectk_onion.stages import BlackBorder, Layers, Peel, Rebuild

    return Stages(
        id="onion",
        stride=16,
        weights_hash="",
        portable=True,
        analysis=Peel(),
        entropy_model=Layers(),
        synthesis=Rebuild(),
        layered=True,
        align=BlackBorder(),
    )


@hookimpl
def codectk_edits(codec: str) -> dict[str, Edit] | None:
    return {edit.name: edit for edit in EDITS} if codec == "onion" else None
