"""HSC's hooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codectk.spec.hooks import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np


@hookimpl
def codectk_weights_import(codec: str, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
    """Generators: the wheel of random-face, MobileStyleGAN as safetensors, StyleGAN2 checkpoints."""
    if codec != "hsc":
        return None
    from codectk_hsc.generators.library import import_generator

    return import_generator(path)
