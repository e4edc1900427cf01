"""EGIC's hooks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codectk.spec.hooks import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    from codectk.spec.stages import Stages
    from codectk_egic.network import Network

STAGES = {
    "egic.swin_analysis": "analysis",
    "egic.charm": "entropy_model",
    "egic.swin_synthesis": "synthesis",
}


@hookimpl
def codectk_codec(name: str, device: str, weights: Path | None) -> Stages | None:
    """The shipped preset, or the codec of a weights file."""
    if name != "egic":
        return None
    from codectk.nn.preset import load_preset, load_weights
    from codectk_egic.network import build

    if weights is None:
        return load_preset("codectk_egic", "egic-small", build, device)
    return load_weights(weights, build, device)


@hookimpl
def codectk_network(name: str, options: Mapping[str, Any]) -> Network | None:
    """An untrained network; `options` are `config` ("small" or "full") and fields of `Config` to change."""
    if name != "egic":
        return None
    from codectk_egic.network import build

    return build(options)


def _stage(name: str, kind: str, options: Mapping[str, Any]) -> Any:
    if STAGES.get(name) != kind:
        return None
    from codectk_egic.network import build

    return getattr(build(options), kind)


@hookimpl
def codectk_analysis(name: str, options: Mapping[str, Any]) -> Any:
    return _stage(name, "analysis", options)


@hookimpl
def codectk_entropy_model(name: str, options: Mapping[str, Any]) -> Any:
    return _stage(name, "entropy_model", options)


@hookimpl
def codectk_synthesis(name: str, options: Mapping[str, Any]) -> Any:
    return _stage(name, "synthesis", options)


@hookimpl
def codectk_post(name: str, options: Mapping[str, Any]) -> Any:
    """Output residual prediction; see `codectk_egic.orp.build` for the options."""
    if name != "egic.orp":
        return None
    from codectk_egic.orp import build

    return build(options)


@hookimpl
def codectk_discriminator(name: str, options: Mapping[str, Any]) -> Any:
    """A discriminator for training; see `codectk_egic.discriminator`."""
    if name not in ("egic.oasis_c", "egic.patchgan"):
        return None
    from codectk_egic.discriminator.registry import build

    return build(name, options)
