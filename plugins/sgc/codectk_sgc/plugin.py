"""SGC's hooks: what its card cannot name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codectk.spec.hooks import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from codectk.bitstream.reader import Container
    from codectk.spec.metrics import PictureMetric
    from codectk.spec.summary import Summary

TABLE1 = ("sgc.label_bce", "sgc.dbcnn", "sgc.musiq", "sgc.hyperiqa", "sgc.clip_iqa", "sgc.clip_alignment")
"""Metrics of the paper's Table I."""


@hookimpl
def codectk_weights_import(codec: str, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
    """The published checkpoints of latent diffusion's semantic synthesis and of DeepLab v2, both in one folder."""
    if codec != "sgc":
        return None
    from codectk_sgc.published.importing import import_published

    return import_published(path)


@hookimpl
def codectk_summary(codec: str, container: Container) -> Summary | None:
    """The labels by name."""
    if codec != "sgc":
        return None
    from codectk_sgc.labels.summary import shares

    return {"labels": shares(container)}


@hookimpl
def codectk_metric(name: str, options: Mapping[str, Any]) -> PictureMetric | None:
    """A metric of the paper's Table I."""
    if name not in TABLE1:
        return None
    from codectk_sgc.table1.registry import build

    return build(name, options)
