"""The hook. What takes time to import is imported inside it."""

from __future__ import annotations

from codectk.spec.hooks import hookimpl
from codectk.spec.stages import Stages


@hookimpl
def codectk_codec(name: str, device: str) -> Stages | None:
    if name != "palette":
        return None
    from codectk_palette.colors import PaletteAnalysis, PaletteSynthesis
    from codectk_palette.entropy import PaletteModel

    return Stages(
        id="palette",
        stride=1,
        weights_hash="",
        portable=True,
        analysis=PaletteAnalysis(),
        entropy_model=PaletteModel(),
        synthesis=PaletteSynthesis(),
    )
