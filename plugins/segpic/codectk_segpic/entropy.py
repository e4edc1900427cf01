"""Entropy model: prototypes, hyperprior and channel-wise autoregressive slices with latent residual prediction.

One program (`code`) serves training, encoding and decoding:

    p_mid, p_deep     factorized prior
    z                 factorized prior; z = h_a(RAT(y, p_deep))
    means, scales     h_mean_s(z), h_scale_s(z), each through a RAT with the decoded p_deep
    slice i           mean and scale index from [means | scales, leading slices]; y_i = symbol + mean, then
                      y_i += 0.5 tanh(LRP([means, leading slices, y_i]))     (Minnen and Singh 2020)

`arithmetic` decides in what numbers the networks behind z run: integers (`Exact`) or float.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.charm import Arithmetic, ChannelSlices
from codectk.nn.coders import tensor_coder
from codectk.nn.exact import exact_math
from codectk.nn.label_maps import LabelMapCoder
from codectk.nn.priors import FactorizedPrior
from codectk.nn.quantize import round_ste
from codectk_segpic import prototypes
from codectk_segpic.analysis import latent_specs
from codectk_segpic.arithmetic import Exact, Float
from codectk_segpic.config import Config
from codectk_segpic.rat import RAT, NoRAT
from codectk_segpic.regions import GRIDS, Regions, grid_regions


class EntropyModel(ChannelSlices):
    """See the module's text.

    Latents: `y` float32 (B, M, h, w); `p_mid`, `p_deep` float32 (B, code, regions, 1), integers plus the prior's
    medians; `regions` int64 ids (B, h, w).
    """

    compact = ("h_a", "dyn_enc")

    def __init__(self, config: Config):
        arithmetic = Exact(config) if config.exact else Float(config)
        super().__init__(
            arithmetic, config.slices, config.support, config.hyper_features,
            own_view=config.own_view, lrp=config.has("lrp"),
        )  # fmt: skip
        self.arithmetic: Exact | Float = arithmetic
        self.config = config
        self.portable = config.exact
        self.without_knobs = frozenset() if config.exact else frozenset({"quality"})
        self.needs = self.gives = latent_specs(config)
        self.dyn_enc_hyper = (
            RAT(config.latent, config.hyper_features, config.rat_deep) if config.has("rat") else NoRAT()
        )
        self.h_a = arithmetic.hyper_encoder()
        regional = config.has("regions")
        if regional:
            self.g_sb2 = arithmetic.prototype_decoder()
            if not config.has("prototypes"):
                self.g_sb2.append(prototypes.Silence())
        self.h_mean_s, self.h_scale_s = arithmetic.hyper_decoder(), arithmetic.hyper_decoder()
        self.dyn_dec_hyper_means, self.dyn_dec_hyper_scales = arithmetic.rat(), arithmetic.rat()
        if regional:
            self.prior_mid = FactorizedPrior("p_mid", config.code_mid[-1])
            self.prior_deep = FactorizedPrior("p_deep", config.code_deep[-1])
            self.prior_mid.crop_share = self.prior_deep.crop_share = config.prototype_share
        self.prior_z = FactorizedPrior("z", config.hyper)
        self.label_coder = LabelMapCoder(config.labels, "regions") if regional and config.labels else None

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        device = self.prior_z.matrices[0].device
        coder = tensor_coder(coder, device)
        given = values or {}
        y = given.get("y")
        with exact_math(device):
            if not self.config.has("regions"):
                nothing = torch.empty(1 if y is None else y.shape[0], 0, ctx.height // 16, ctx.width // 16)
                return {"y": self._code_y(coder, y, nothing.to(device), ctx)}
            regions = coded_regions(coder, values, ctx, device, self.label_coder)
            p_mid = coded_prototypes(coder, regions, given.get("p_mid"), self.prior_mid, self.arithmetic)
            p_deep = coded_prototypes(coder, regions, given.get("p_deep"), self.prior_deep, self.arithmetic)
            expanded = regions.expand(self.g_sb2(p_deep), ctx.height // 16, ctx.width // 16)
            y = self._code_y(coder, y, expanded, ctx)
        return {"y": y, "p_mid": p_mid, "p_deep": p_deep, "regions": regions.ids}

    def _code_y(self, coder: Any, y: Tensor | None, expanded: Tensor, ctx: Context) -> Tensor:
        """Hyperprior and slices; `expanded` are decoded deep prototypes at stride 16."""
        z = None
        if y is not None:
            z = self.h_a(self.dyn_enc_hyper(self.arithmetic.hyper_input(y), self.arithmetic.real(expanded)))
        here = torch.ones(expanded.shape[0], 1, ctx.height // 64, ctx.width // 64, dtype=torch.bool)
        z = coded_values(coder, channels_at(self.prior_z, here.to(expanded.device)), z, self.prior_z, self.arithmetic)
        hyper = self.arithmetic.enter(z, ctx.knobs.get("quality"))
        means = self.dyn_dec_hyper_means(self.h_mean_s(hyper), expanded)
        scales = self.dyn_dec_hyper_scales(self.h_scale_s(hyper), expanded)
        return self.code_slices(coder, y, means, scales)

    def rounded_mid(self, p_mid: Tensor) -> Tensor:
        """Middle prototype codes as both ends will know them, for the analysis."""
        medians = self.prior_mid.medians.to(p_mid.device)  # in a hybrid, nobody may have moved this entropy model
        return self.arithmetic.value(round_ste(p_mid - medians), self.prior_mid)


class PrototypeCoder(nn.Module):
    """Codes regions and middle prototypes alone, beside an entropy model of another codec that codes y.

    Args:
        model: whose prior it uses.
    """

    def __init__(self, model: EntropyModel):
        super().__init__()
        self.portable, self.without_knobs = model.portable, frozenset({"quality"})
        self.needs = self.gives = tuple(spec for spec in model.gives if spec.name in ("p_mid", "regions"))
        self.prior_mid, self.arithmetic = model.prior_mid, model.arithmetic
        self.label_coder = model.label_coder

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        device = self.prior_mid.matrices[0].device
        coder = tensor_coder(coder, device)
        with exact_math(device):
            regions = coded_regions(coder, values, ctx, device, self.label_coder)
            p_mid = None if values is None else values["p_mid"]
            p_mid = coded_prototypes(coder, regions, p_mid, self.prior_mid, self.arithmetic)
        return {"p_mid": p_mid, "regions": regions.ids}


def coded_regions(
    coder: Any,
    values: Mapping[str, Any] | None,
    ctx: Context,
    device: torch.device,
    label_coder: LabelMapCoder | None,
) -> Regions:
    """The partition: labels without loss, a grid in two bits, and masks, which are privileged, for nothing."""
    height, width = ctx.height // 16, ctx.width // 16
    if label_coder is not None:
        ids = label_coder.code(coder, None if values is None else values["regions"].ids, height, width)
        return Regions(ids, label_coder.prior.classes)
    if values is None:
        return grid_regions(GRIDS[coder.raw(None, 2)], 1, height, width, device)
    regions: Regions = values["regions"]
    if regions.grid is not None:
        coder.raw(GRIDS.index(regions.grid), 2)
    return regions


def coded_prototypes(
    coder: Any, regions: Regions, values: Tensor | None, prior: FactorizedPrior, arithmetic: Arithmetic
) -> Tensor:
    """Codes of the regions: float32 (B, code, regions, 1). Regions that do not occur cost nothing and mean nothing."""
    present = regions.present()
    if len(present) > 1 or bool(present.all()):
        return coded_values(coder, channels_at(prior, present[:, None, :, None]), values, prior, arithmetic)
    # A coder, unlike the meter of a batch, takes no symbols that are not there.
    some = present[0].nonzero()[:, 0]
    at = channels_at(prior, present[:, None, some, None])
    coded = coded_values(coder, at, None if values is None else values[:, :, some], prior, arithmetic)
    return coded.new_zeros(1, coded.shape[1], present.shape[1], 1).index_copy(2, some, coded)


def coded_values(
    coder: Any, at: Tensor, values: Tensor | None, prior: FactorizedPrior, arithmetic: Arithmetic
) -> Tensor:
    """Code real values, or decode them when None: what they are at both ends."""
    symbols = coder.code(at, None if values is None else values - prior.medians, prior)
    return arithmetic.value(symbols, prior)


def channels_at(prior: FactorizedPrior, present: Tensor) -> Tensor:
    """Table index of every symbol: its channel, or -1 where the position is absent."""
    channel = torch.arange(prior.channels, device=present.device).view(1, -1, 1, 1)
    return torch.where(present, channel, -1)
