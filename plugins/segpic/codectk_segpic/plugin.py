"""SegPIC's hooks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codectk.spec.hooks import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from codectk.spec.light import Light
    from codectk.spec.stages import Stages
    from codectk_segpic.network import Network

KINDS = {
    "segpic.regions": "conditioning",
    "segpic.rat_analysis": "analysis",
    "segpic.charm_lrp": "entropy_model",
    "segpic.prototype_coder": "entropy_model",
    "segpic.rat_synthesis": "synthesis",
}


@hookimpl
def codectk_codec(name: str, device: str, weights: Path | None) -> Stages | None:
    """The shipped preset, or the codec of a weights file."""
    if name != "segpic":
        return None
    from codectk.nn.preset import load_preset, load_weights
    from codectk_segpic.network import build

    if weights is None:
        return load_preset("codectk_segpic", "segpic-small", build, device)
    return load_weights(weights, build, device)


@hookimpl
def codectk_light(name: str) -> Light | None:
    """The codec around graphs."""
    if name != "segpic":
        return None
    from codectk_segpic.light import LIGHT

    return LIGHT


@hookimpl
def codectk_weights_import(codec: str, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
    """Checkpoints of the published training code."""
    if codec != "segpic":
        return None
    from codectk_segpic.checkpoint import import_checkpoint

    return import_checkpoint(path)


@hookimpl
def codectk_network(name: str, options: Mapping[str, Any]) -> Network | None:
    """An untrained network; `options` are `config` ("small" or "full") and fields of `Config` to change."""
    if name != "segpic":
        return None
    from codectk_segpic.network import build

    return build(options)


def _stage(name: str, kind: str, options: Mapping[str, Any]) -> Any:
    return codectk_stages([name], options)[0] if KINDS.get(name) == kind else None


@hookimpl
def codectk_stages(names: Sequence[str], options: Mapping[str, Any]) -> list[Any]:
    """Stages of one network; `options` as for `codectk_network`."""
    from codectk_segpic.network import build

    network = build(options)
    return [network.part(name.split(".", 1)[1]) for name in names]


@hookimpl
def codectk_conditioning(name: str, options: Mapping[str, Any]) -> Any:
    return _stage(name, "conditioning", options)


@hookimpl
def codectk_analysis(name: str, options: Mapping[str, Any]) -> Any:
    return _stage(name, "analysis", options)


@hookimpl
def codectk_entropy_model(name: str, options: Mapping[str, Any]) -> Any:
    return _stage(name, "entropy_model", options)


@hookimpl
def codectk_synthesis(name: str, options: Mapping[str, Any]) -> Any:
    return _stage(name, "synthesis", options)
