"""What the transforms do around their networks, on arrays of any library.

x -> g_a1 -> y' -> pool -> g_ab -> p_mid -> g_sb -> RAT(y') -> g_a2 -> y, pool -> g_ab2 -> p_deep
y / gain -> g_s0 -> RAT with decoded p_mid -> front -> last -> x

Beside them runs a linear path, where there is one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from array_api_compat import array_namespace

from codectk.base.types import Context
from codectk.spec.stages import LatentSpec
from codectk_segpic.config import Config
from codectk_segpic.program import latent_specs
from codectk_segpic.regions import Regions, regions_of


class AnalysisNetworks(Protocol):
    """What the analysis calls, each a callable from arrays to an array, and what it must know.

    Attributes:
        labels: see `regions_of`.
        cell_slack: see `Regions.pool`.
        rounded: middle prototype codes as both ends will know them.
        g_a1, g_ab, g_sb, dyn_encoder, g_a2, g_ab2: the networks; g_ab and g_ab2 are None without regions.
        linear: the linear path, or None.
        blend: factors (1, C, 1, 1) of what the networks make beside the linear path.
        gain: a quality to factors of y, or None for one rate.
    """

    labels: int
    cell_slack: float
    rounded: Callable[[Any], Any]
    g_a1: Any
    g_ab: Any

    @property
    def g_sb(self) -> Any: ...

    dyn_encoder: Any
    g_a2: Any
    g_ab2: Any
    linear: Any
    blend: Any
    gain: Any


class SynthesisNetworks(Protocol):
    """The same for the synthesis.

    Attributes:
        deep: channels of y that the networks see.
        regional: there are middle prototypes.
        gain: a quality to factors of y, or None for one rate.
        g_s0, g_sb, dyn_decoder, front, last: the networks.
        linear: the linear path, or None.
    """

    deep: int
    regional: bool
    gain: Any
    g_s0: Any

    @property
    def g_sb(self) -> Any: ...

    dyn_decoder: Any

    @property
    def front(self) -> Any: ...
    @property
    def last(self) -> Any: ...

    linear: Any


def painted_specs(config: Config) -> tuple[LatentSpec, ...]:
    """Latents that the synthesis needs: those of the deep prototypes are for the entropy model alone."""
    return tuple(spec for spec in latent_specs(config) if spec.name != "p_deep")


def feature_specs(config: Config) -> tuple[LatentSpec, ...]:
    """What the synthesis shows to a post stage."""
    first, mid = config.mid
    seen = LatentSpec("last", first, 4) if config.stem > 1 else LatentSpec("last", mid, 2)
    return (seen, LatentSpec("base", 3, 1))


def prepare(nets: AnalysisNetworks, x: Any, condition: Any) -> dict[str, Any]:
    """Everything of the analysis that does not depend on the quality.

    Returns:
        `y` float32 (B, M, H/16, W/16); `p_mid`, `p_deep` float32 (B, code, regions, 1), unrounded; `regions`.
    """
    if nets.linear is not None:
        x = 4 * (x - 0.5)
    feature = nets.g_a1(x)
    if nets.g_ab is None:
        return {"y": _with_linear(nets, nets.g_a2(feature), x)}
    xp, regions = array_namespace(x), regions_of(condition, nets.labels)
    p_mid = nets.g_ab(regions.pool(feature, nets.cell_slack))
    decoded = nets.g_sb(xp.astype(nets.rounded(p_mid), p_mid.dtype, copy=False))
    expanded = regions.expand(decoded, *feature.shape[2:])
    y = _with_linear(nets, nets.g_a2(nets.dyn_encoder(feature, expanded)), x)
    p_deep = nets.g_ab2(regions.pool(y if nets.linear is None else xp.asinh(y), nets.cell_slack))
    return {"y": y, "p_mid": _float(p_mid), "p_deep": _float(p_deep), "regions": regions}


def finish(nets: AnalysisNetworks, prepared: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
    """Scale y for the quality asked for."""
    if nets.gain is None:
        return prepared
    return {**prepared, "y": prepared["y"] * nets.gain(ctx.knobs["quality"])}


def features(nets: SynthesisNetworks, latents: Mapping[str, Any], ctx: Context) -> dict[str, Any]:
    """The input of the last layers, `last`, and the picture of the linear path (or zero), `base`."""
    y = latents["y"]
    xp = array_namespace(y)
    if nets.gain is not None:
        y = y * nets.gain(ctx.knobs["quality"])
    # The linear path carries large coefficients; the network sees them compressed.
    feature = nets.g_s0(y if nets.linear is None else xp.asinh(y[:, : nets.deep]))
    if nets.regional:
        decoded = nets.g_sb(latents["p_mid"])
        expanded = Regions(latents["regions"], decoded.shape[2]).expand(decoded, *feature.shape[2:])
        feature = nets.dyn_decoder(feature, expanded)
    base = xp.zeros_like(y[0, 0, 0, 0]) if nets.linear is None else nets.linear(y)
    return {"last": nets.front(feature), "base": base}


def paint(nets: SynthesisNetworks, latents: Mapping[str, Any]) -> Any:
    """Features to pixels: float32 (B, 3, H, W), nominally in [0, 1]."""
    x = nets.last(latents["last"])
    return x if nets.linear is None else (x + latents["base"]) / 4 + 0.5


def _with_linear(nets: AnalysisNetworks, made: Any, x: Any) -> Any:
    """y: what the networks made, which may be its first channels, beside the linear path."""
    if nets.linear is None:
        return _float(made)
    y = nets.linear(x)
    made = _float(nets.blend * made)
    deep = made.shape[1]
    return array_namespace(y).concat([y[:, :deep] + made, y[:, deep:]], axis=1)


def _float(x: Any) -> Any:
    xp = array_namespace(x)
    return xp.astype(x, xp.float32, copy=False)
