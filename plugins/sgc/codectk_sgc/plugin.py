"""SGC's hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codectk.spec.hooks import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from codectk.bitstream.reader import Container
    from codectk.spec.metrics import PictureMetric
    from codectk.spec.stages import Stages
    from codectk.spec.summary import Summary
    from codectk.spec.training import Lesson
    from codectk_sgc.encoder.conditioning import Labels
    from codectk_sgc.network import Network

TRANSFORMS = {"analysis": "sgc.semantic_analysis", "synthesis": "sgc.diffusion"}
CODERS = ("sgc.label_coder", "sgc.color_coder", "sgc.semantic_coder")
TABLE1 = ("sgc.label_bce", "sgc.dbcnn", "sgc.musiq", "sgc.hyperiqa", "sgc.clip_iqa", "sgc.clip_alignment")
"""Metrics of the paper's Table I."""


@hookimpl
def codectk_codec(name: str, device: str, weights: Path | None) -> Stages | None:
    """The shipped preset, or the codec of a weights file."""
    if name != "sgc":
        return None
    from codectk.nn.preset import load_preset, load_weights
    from codectk_sgc.network import build

    if weights is None:
        return load_preset("codectk_sgc", "sgc-small", build, device)
    return load_weights(weights, build, device)


@hookimpl
def codectk_conditioning(name: str, options: Mapping[str, Any]) -> Labels | None:
    """The segmenter of the shipped preset."""
    if name != "sgc.segmenter":
        return None
    from codectk_sgc.encoder.conditioning import build

    return build(options)


def _transform(name: str, kind: str, options: Mapping[str, Any]) -> Any:
    if name != TRANSFORMS[kind]:
        return None
    from codectk_sgc.stages import transform

    return transform(name, options)


@hookimpl
def codectk_analysis(name: str, options: Mapping[str, Any]) -> Any:
    """Pictures to both maps; options as for `codectk_network`."""
    return _transform(name, "analysis", options)


@hookimpl
def codectk_synthesis(name: str, options: Mapping[str, Any]) -> Any:
    """Both maps to pictures; options as for `codectk_network`."""
    return _transform(name, "synthesis", options)


@hookimpl
def codectk_entropy_model(name: str, options: Mapping[str, Any]) -> Any:
    """A coder with the shipped networks; see `codectk_sgc.stages.coder` for the options."""
    if name not in CODERS:
        return None
    from codectk_sgc.stages import coder

    return coder(name, options)


@hookimpl
def codectk_weights_import(codec: str, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
    """The published checkpoints of latent diffusion's semantic synthesis and of DeepLab v2, both in one folder."""
    if codec != "sgc":
        return None
    from codectk_sgc.published.importing import import_published

    return import_published(path)


@hookimpl
def codectk_network(name: str, options: Mapping[str, Any]) -> Network | None:
    """An untrained network; `options` are `config` ("small" or "full") and fields of `Config` to change."""
    if name != "sgc":
        return None
    from codectk_sgc.network import build

    return build(options)


@hookimpl
def codectk_lesson(name: str, options: Mapping[str, Any]) -> Lesson | None:
    """What the decoder's networks learn from photos; there are no options."""
    from codectk_sgc.training.lesson import LESSONS, build

    return build(name, options) if name in LESSONS else None


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
