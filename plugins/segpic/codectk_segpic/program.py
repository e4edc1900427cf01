"""The coding program, on arrays of any library: prototypes, hyperprior, and slices with latent residual prediction.

It serves training, encoding and decoding:

    regions           a grid in two bits, or labels without loss
    p_mid, p_deep     factorized prior
    z                 factorized prior; z = h_a(RAT(y, p_deep))
    means, scales     h_mean_s(z), h_scale_s(z), each through a RAT with the decoded p_deep
    slice i           mean and scale index from [means | scales, leading slices]; y_i = symbol + mean, then
                      y_i += 0.5 tanh(LRP([means, leading slices, y_i]))     (Minnen and Singh 2020)
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from array_api_compat import array_namespace, device

from codectk.base.types import Context
from codectk.programs.slices import Numbers, SliceNetworks, code_slices
from codectk.programs.values import ChannelPrior, ValueCoder, code_channels, everywhere, value_coder
from codectk.spec.stages import LatentSpec, SymbolCoder
from codectk_segpic.config import Config
from codectk_segpic.regions import GRIDS, Regions, grid_regions


class PrototypeNetworks(Protocol):
    """What coding regions and middle prototypes needs.

    Attributes:
        numbers: what the networks behind the codes compute with.
        exactly: a guard within which they stay exact.
        label_coder: codes label maps, or None for grids.
        prior_mid: a table per channel of the code.
    """

    numbers: Numbers

    def exactly(self) -> AbstractContextManager[None]: ...

    label_coder: Any

    @property
    def prior_mid(self) -> ChannelPrior: ...


class Networks(PrototypeNetworks, SliceNetworks, Protocol):
    """Every network of the program, a callable from arrays to an array.

    Attributes:
        config: which parts there are.
        g_sb2: codes of the deep prototypes to prototypes.
        dyn_enc_hyper, h_a: y as the hyper-encoder sees it, with expanded prototypes, to z.
        h_mean_s, h_scale_s: z to features, which dyn_dec_hyper_means and dyn_dec_hyper_scales adapt to regions.
        prior_deep, prior_z: a table per channel.
    """

    config: Config
    g_sb2: Any
    dyn_enc_hyper: Any
    h_a: Any
    h_mean_s: Any
    h_scale_s: Any
    dyn_dec_hyper_means: Any
    dyn_dec_hyper_scales: Any

    @property
    def prior_deep(self) -> ChannelPrior: ...
    @property
    def prior_z(self) -> ChannelPrior: ...


def latent_specs(config: Config) -> tuple[LatentSpec, ...]:
    """What analysis, entropy model and synthesis agree on."""
    y = LatentSpec("y", config.latent, 16)
    if not config.has("regions"):
        return (y,)
    return (
        y,
        LatentSpec("p_mid", config.code_mid[-1], None, "factorized"),
        LatentSpec("p_deep", config.code_deep[-1], None, "factorized"),
        LatentSpec("regions", None, None, "labels"),
    )


def code(
    nets: Networks, coder: SymbolCoder | ValueCoder, values: Mapping[str, Any] | None, ctx: Context
) -> dict[str, Any]:
    """Code all latents, or decode them when `values` is None.

    Args:
        nets: the networks, a torch module or graphs that were made from one.
        coder: any reading.
        values: by latent name what the analysis made; `regions` is a partition.
        ctx: size and knobs.

    Returns:
        `y` float32 (B, M, h, w); `p_mid`, `p_deep` float32 (B, code, regions, 1), integers plus the prior's medians;
        `regions` int64 ids (B, h, w). Without regions, `y` alone.
    """
    like = nets.prior_z.medians
    coder = value_coder(coder, like, rounds=not nets.numbers.exact)
    given = values or {}
    y = given.get("y")
    height, width = ctx.height // 16, ctx.width // 16
    with nets.exactly():
        if not nets.config.has("regions"):
            xp = array_namespace(like)
            nothing = xp.zeros(
                (1 if y is None else y.shape[0], 0, height, width), dtype=xp.float32, device=device(like)
            )
            return {"y": _code_y(nets, coder, y, nothing, ctx)}
        regions = _code_regions(nets, coder, given.get("regions"), ctx)
        p_mid = _code_regional(nets, coder, regions, given.get("p_mid"), nets.prior_mid)
        p_deep = _code_regional(nets, coder, regions, given.get("p_deep"), nets.prior_deep)
        y = _code_y(nets, coder, y, regions.expand(nets.g_sb2(p_deep), height, width), ctx)
    return {"y": y, "p_mid": p_mid, "p_deep": p_deep, "regions": regions.ids}


def code_prototypes(
    nets: PrototypeNetworks, coder: SymbolCoder | ValueCoder, values: Mapping[str, Any] | None, ctx: Context
) -> dict[str, Any]:
    """Code the partition and the middle prototypes alone: `p_mid` and `regions` as in `code`."""
    coder = value_coder(coder, nets.prior_mid.medians, rounds=not nets.numbers.exact)
    given = values or {}
    with nets.exactly():
        regions = _code_regions(nets, coder, given.get("regions"), ctx)
        p_mid = _code_regional(nets, coder, regions, given.get("p_mid"), nets.prior_mid)
    return {"p_mid": p_mid, "regions": regions.ids}


def _code_regions(nets: PrototypeNetworks, coder: ValueCoder, regions: Regions | None, ctx: Context) -> Regions:
    """The partition: labels without loss, a grid in two bits, and masks, which are privileged, for nothing."""
    height, width = ctx.height // 16, ctx.width // 16
    if nets.label_coder is not None:
        ids = nets.label_coder.code(coder, None if regions is None else regions.ids, height, width)
        return Regions(ids, nets.label_coder.prior.classes)
    if regions is None:
        return grid_regions(GRIDS[coder.raw(None, 2)], 1, height, width, nets.prior_mid.medians)
    if regions.grid is not None:
        coder.raw(GRIDS.index(regions.grid), 2)
    return regions


def _code_regional(
    nets: PrototypeNetworks, coder: ValueCoder, regions: Regions, values: Any | None, prior: ChannelPrior
) -> Any:
    """Codes of the regions: float32 (B, code, regions, 1). Regions that do not occur cost nothing and mean nothing."""
    bound, present = nets.numbers.value_max, regions.present()
    xp = array_namespace(present)
    if present.shape[0] > 1 or bool(xp.all(present)):
        return code_channels(coder, values, prior, present[:, None, :, None], bound)
    # A coder, unlike the meter of a batch, takes no symbols that are not there.
    (some,) = xp.nonzero(present[0])
    there = present[:, None, some, None]
    coded = code_channels(coder, None if values is None else values[:, :, some], prior, there, bound)
    every = xp.zeros((1, coded.shape[1], present.shape[1], 1), dtype=coded.dtype, device=device(coded))
    every[:, :, some] = coded
    return every


def _code_y(nets: Networks, coder: ValueCoder, y: Any | None, expanded: Any, ctx: Context) -> Any:
    """Hyperprior and slices; `expanded` are decoded deep prototypes at stride 16."""
    numbers, prior = nets.numbers, nets.prior_z
    z = None if y is None else nets.h_a(nets.dyn_enc_hyper(numbers.hyper_input(y), numbers.real(expanded)))
    present = everywhere(prior.medians, expanded.shape[0], ctx.height // 64, ctx.width // 64)
    hyper = numbers.enter(code_channels(coder, z, prior, present, numbers.value_max), ctx.knobs.get("quality"))
    means = nets.dyn_dec_hyper_means(nets.h_mean_s(hyper), expanded)
    scales = nets.dyn_dec_hyper_scales(nets.h_scale_s(hyper), expanded)
    return code_slices(nets, coder, y, means, scales)
