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
from torch import Tensor

from codectk.base.types import Context
from codectk.nn.charm import ChannelSlices
from codectk.nn.coders import tensor_coder
from codectk.nn.exact import exact_math
from codectk.nn.priors import FactorizedPrior
from codectk.nn.quantize import round_ste
from codectk_segpic import prototypes
from codectk_segpic.analysis import latent_specs
from codectk_segpic.arithmetic import Exact, Float
from codectk_segpic.config import Config
from codectk_segpic.rat import RAT, NoRAT
from codectk_segpic.regions import GRIDS, grid_regions


class EntropyModel(ChannelSlices):
    """See the module's text.

    Latents: `y` float32 (B, M, h, w); `p_mid`, `p_deep` float32 (B, code, regions, 1), integers plus the prior's
    medians; `regions` int64 ids (B, h, w).
    """

    def __init__(self, config: Config):
        arithmetic = Exact(config) if config.exact else Float(config)
        super().__init__(arithmetic, config.slices, config.support, config.hyper_features, lrp=config.has("lrp"))
        self.arithmetic: Exact | Float = arithmetic
        self.config = config
        self.needs = self.gives = latent_specs(config)
        self.dyn_enc_hyper = (
            RAT(config.latent, config.hyper_features, config.rat_deep) if config.has("rat") else NoRAT()
        )
        self.h_a = arithmetic.hyper_encoder()
        self.g_sb2 = arithmetic.prototype_decoder()
        if not config.has("prototypes"):
            self.g_sb2.append(prototypes.Silence())
        self.h_mean_s, self.h_scale_s = arithmetic.hyper_decoder(), arithmetic.hyper_decoder()
        self.dyn_dec_hyper_means, self.dyn_dec_hyper_scales = arithmetic.rat(), arithmetic.rat()
        self.prior_mid = FactorizedPrior("p_mid", config.code_mid[-1])
        self.prior_deep = FactorizedPrior("p_deep", config.code_deep[-1])
        self.prior_z = FactorizedPrior("z", config.hyper)
        self.prior_mid.crop_share = self.prior_deep.crop_share = config.prototype_share

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        device = self.prior_z.matrices[0].device
        coder = tensor_coder(coder, device)
        with exact_math(device):
            if values is None:
                grid = GRIDS[coder.raw(None, 2)]
                regions = grid_regions(grid, 1, ctx.height // 16, ctx.width // 16, device)
                p_mid = p_deep = y = None
            else:
                regions, p_mid, p_deep, y = (values[k] for k in ("regions", "p_mid", "p_deep", "y"))
                if regions.grid is not None:
                    coder.raw(GRIDS.index(regions.grid), 2)
            present = regions.present()[:, None, :, None]  # (B, 1, R, 1)
            p_mid = self._values(coder, self._channels(self.prior_mid, present), p_mid, self.prior_mid)
            p_deep = self._values(coder, self._channels(self.prior_deep, present), p_deep, self.prior_deep)
            decoded = self.g_sb2(p_deep)
            shape = (ctx.height // 16, ctx.width // 16)
            expanded = regions.expand(decoded, *shape)

            z = None
            if y is not None:
                z = self.h_a(self.dyn_enc_hyper(self.arithmetic.hyper_input(y), self.arithmetic.real(expanded)))
            z_shape = (present.shape[0], 1, ctx.height // 64, ctx.width // 64)
            at = self._channels(self.prior_z, torch.ones(z_shape, dtype=torch.bool, device=device))
            z = self._values(coder, at, z, self.prior_z)
            hyper = self.arithmetic.enter(z, ctx.knobs.get("quality"))
            means = self.dyn_dec_hyper_means(self.h_mean_s(hyper), expanded)
            scales = self.dyn_dec_hyper_scales(self.h_scale_s(hyper), expanded)
            y = self.code_slices(coder, y, means, scales)
        return {"y": y, "p_mid": p_mid, "p_deep": p_deep, "regions": regions.ids}

    def rounded_mid(self, p_mid: Tensor) -> Tensor:
        """Middle prototype codes as both ends will know them, for the analysis."""
        return self.arithmetic.value(round_ste(p_mid - self.prior_mid.medians), self.prior_mid)

    def _values(self, coder: Any, at: Tensor, values: Tensor | None, prior: FactorizedPrior) -> Tensor:
        symbols = coder.code(at, None if values is None else values - prior.medians, prior)
        return self.arithmetic.value(symbols, prior)

    @staticmethod
    def _channels(prior: FactorizedPrior, present: Tensor) -> Tensor:
        """Table index of every symbol: its channel, or -1 where the position is absent."""
        channel = torch.arange(prior.channels, device=present.device).view(1, -1, 1, 1)
        return torch.where(present, channel, -1)
