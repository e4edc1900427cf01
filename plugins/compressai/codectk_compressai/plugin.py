"""The hooks. CompressAI is imported where a network is needed and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codectk.spec.hooks import hookimpl
from codectk_compressai.presets import PRESETS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from codectk.spec.published import PublishedWeights
    from codectk.spec.stages import Stages


@hookimpl
def codectk_codec(name: str, device: str, weights: Path | None) -> Stages | None:
    """A codec of the zoo, with the weights of a file or those that were imported for it."""
    if name not in PRESETS:
        return None
    from codectk_compressai.own import own_weights

    path = own_weights(name) if weights is None else weights
    from codectk_compressai.network import build

    return build(PRESETS[name], path, device)


@hookimpl
def codectk_weights_import(codec: str, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
    """Checkpoints as CompressAI publishes them and as its training code saves them."""
    if codec not in PRESETS:
        return None
    from codectk_compressai.checkpoint import import_checkpoint

    return import_checkpoint(PRESETS[codec], path)


@hookimpl
def codectk_weights_published(codec: str) -> PublishedWeights | None:
    """Where CompressAI's zoo has the checkpoint."""
    if codec not in PRESETS:
        return None
    from codectk_compressai.library import published

    return published(PRESETS[codec])
