"""What the transforms do around their networks, on arrays of any library.

x -> g_a -> y
y / gain -> g_s -> last -> x_G, and from the same features another last layer -> x_M

Beside them runs a linear path, where there is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from array_api_compat import array_namespace

from codectk.base.types import Context
from codectk.spec.stages import LatentSpec
from codectk_egic.config import Config


class AnalysisNetworks(Protocol):
    """What the analysis calls, each a callable from arrays to an array.

    Attributes:
        g_a: the network.
        linear: the linear path, or None.
        blend: factors (1, M, 1, 1) of what the network makes beside the linear path.
        gain: a quality to factors of y, or None for one rate.
    """

    g_a: Any
    linear: Any
    blend: Any
    gain: Any


class SynthesisNetworks(Protocol):
    """The same for the synthesis.

    Attributes:
        g_s, last: the network, and its last layer.
        linear: the linear path, or None.
        gain: a quality to factors of y, or None for one rate.
    """

    g_s: Any
    last: Any
    linear: Any
    gain: Any


def feature_specs(config: Config) -> tuple[LatentSpec, ...]:
    """What the synthesis shows to output residual prediction."""
    return (LatentSpec("last", config.last.dim, config.unpack), LatentSpec("base", 3, 1))


def prepare(nets: AnalysisNetworks, x: Any, condition: Any) -> Any:
    """Everything that does not depend on the quality: y float32 (B, M, H/16, W/16)."""
    if nets.linear is None:
        return _float(nets.g_a(x))
    x = 4 * (x - 0.5)
    return nets.linear(x) + nets.blend * _float(nets.g_a(x))


def finish(nets: AnalysisNetworks, prepared: Any, ctx: Context) -> Mapping[str, Any]:
    """Scale y for the quality asked for."""
    return {"y": prepared if nets.gain is None else prepared * nets.gain(ctx.knobs["quality"])}


def features(nets: SynthesisNetworks, latents: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """The input of the last layer, `last`, and the picture of the linear path (or zero), `base`."""
    y = latents["y"]
    xp = array_namespace(y)
    if nets.gain is not None:
        y = y * nets.gain(ctx.knobs["quality"])
    if nets.linear is None:
        return {"last": nets.g_s(y), "base": xp.zeros_like(y[0, 0, 0, 0])}
    # The linear path carries large coefficients; the network sees them compressed.
    return {"last": nets.g_s(xp.asinh(y)), "base": nets.linear(y)}


def paint(nets: SynthesisNetworks, latents: Mapping[str, Any]) -> Any:
    """Features to pixels: float32 (B, 3, H, W), nominally in [0, 1]."""
    return painted(nets.last, latents, nets.linear is not None)


def painted(last: Any, features: Mapping[str, Any], linear: bool) -> Any:
    """The same through any last layer."""
    x = _float(last(features["last"])) + features["base"]
    return x / 4 + 0.5 if linear else x


def mixed(last: Any, x: Any, features: Mapping[str, Any], linear: bool, ctx: Context) -> Any:
    """Between `x` (realism 1, where nothing is computed) and what another last layer makes of the features (0)."""
    alpha = ctx.knobs["realism"]
    if alpha == 1:
        return x
    faithful = painted(last, features, linear)
    return faithful + alpha * (x - faithful)


def _float(x: Any) -> Any:
    xp = array_namespace(x)
    return xp.astype(x, xp.float32, copy=False)
