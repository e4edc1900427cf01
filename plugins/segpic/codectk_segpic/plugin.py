"""SegPIC's hooks; codec, network and stages are named in the card."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codectk.spec.hooks import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


@hookimpl
def codectk_weights_import(codec: str, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
    """Checkpoints of the published training code."""
    if codec != "segpic":
        return None
    from codectk_segpic.checkpoint import import_checkpoint

    return import_checkpoint(path)
