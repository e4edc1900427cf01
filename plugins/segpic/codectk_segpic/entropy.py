"""Entropy model: prototypes, hyperprior and channel-wise autoregressive slices with latent residual prediction.

One program (`code`) serves training, encoding and decoding:

    p_mid, p_deep     factorized prior
    z                 factorized prior; z = h_a(RAT(y, p_deep))
    means, scales     h_mean_s(z), h_scale_s(z), each through a RAT with the decoded p_deep
    slice i           mean and scale index from [means | scales, leading slices]; y_i = symbol + mean, then
                      y_i += 0.5 tanh(LRP([means, leading slices, y_i]))     (Minnen and Singh 2020)

`arithmetic` decides in what numbers the networks behind z run: integers (`ExactArithmetic`) or float.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.coders import tensor_coder
from codectk.nn.exact import exact_math
from codectk.nn.priors import FactorizedPrior, GaussianPrior
from codectk.nn.quantize import round_ste
from codectk_segpic import prototypes
from codectk_segpic.analysis import latent_specs
from codectk_segpic.arithmetic import ExactArithmetic, FloatArithmetic
from codectk_segpic.config import Config
from codectk_segpic.rat import RAT, NoRAT
from codectk_segpic.regions import GRIDS, grid_regions


class EntropyModel(nn.Module):
    """See the module's text.

    Latents: `y` float32 (B, M, h, w); `p_mid`, `p_deep` float32 (B, code, regions, 1), integers plus the prior's
    medians; `regions` int64 ids (B, h, w).
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.needs = self.gives = latent_specs(config)
        arithmetic = ExactArithmetic(config) if config.exact else FloatArithmetic(config)
        self.arithmetic = arithmetic
        self.dyn_enc_hyper = (
            RAT(config.latent, config.hyper_features, config.rat_deep) if config.has("rat") else NoRAT()
        )
        self.h_a = arithmetic.hyper_encoder()
        self.g_sb2 = arithmetic.prototype_decoder()
        if not config.has("prototypes"):
            self.g_sb2.append(prototypes.Silence())
        self.h_mean_s, self.h_scale_s = arithmetic.hyper_decoder(), arithmetic.hyper_decoder()
        self.dyn_dec_hyper_means, self.dyn_dec_hyper_scales = arithmetic.rat(), arithmetic.rat()
        self.context = arithmetic.context_table()
        self.cc_mean_transforms, self.cc_scale_transforms = nn.ModuleList(), nn.ModuleList()
        self.lrp_transforms = nn.ModuleList()
        for i, width in enumerate(config.slices):
            seen = config.hyper_features + sum(config.slices[: min(i, config.support)])
            self.cc_mean_transforms.append(arithmetic.mean_net(seen, width))
            self.cc_scale_transforms.append(arithmetic.scale_net(seen, width))
            if config.has("lrp"):
                self.lrp_transforms.append(arithmetic.lrp_net(seen + width, width))
        self.prior_mid = FactorizedPrior("p_mid", config.code_mid[-1])
        self.prior_deep = FactorizedPrior("p_deep", config.code_deep[-1])
        self.prior_z = FactorizedPrior("z", config.hyper)
        self.prior_mid.crop_share = self.prior_deep.crop_share = config.prototype_share
        self.prior_y = GaussianPrior("y")

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
            y = self._slices(coder, y, means, scales)
        return {"y": y, "p_mid": p_mid, "p_deep": p_deep, "regions": regions.ids}

    def rounded_mid(self, p_mid: Tensor) -> Tensor:
        """Middle prototype codes as both ends will know them, for the analysis."""
        return self.arithmetic.value(round_ste(p_mid - self.prior_mid.medians), self.prior_mid)

    def _values(self, coder: Any, at: Tensor, values: Tensor | None, prior: FactorizedPrior) -> Tensor:
        symbols = coder.code(at, None if values is None else values - prior.medians, prior)
        return self.arithmetic.value(symbols, prior)

    def _slices(self, coder: Any, y: Tensor | None, means: Tensor, scales: Tensor) -> Tensor:
        arithmetic, done, leading = self.arithmetic, [], []
        targets = [None] * len(self.config.slices) if y is None else y.split(self.config.slices, 1)
        for i, target in enumerate(targets):
            mean_input = torch.cat([means, *leading], 1)
            mean = self.cc_mean_transforms[i](mean_input)
            index = self.cc_scale_transforms[i](torch.cat([scales, *leading], 1))
            residual = None if target is None else target - arithmetic.mean_value(mean)
            symbols = coder.code(arithmetic.scale_index(index), residual, self.prior_y)
            known = arithmetic.reconstruct(symbols, mean)
            if self.config.has("lrp"):
                lrp = self.lrp_transforms[i](torch.cat([mean_input, self.context(arithmetic.as_input(known))], 1))
                known = known + lrp
            done.append(arithmetic.latent_value(known))
            if i < self.config.support:
                leading.append(self.context(arithmetic.as_input(known)))
        return torch.cat(done, 1)

    @staticmethod
    def _channels(prior: FactorizedPrior, present: Tensor) -> Tensor:
        """Table index of every symbol: its channel, or -1 where the position is absent."""
        channel = torch.arange(prior.channels, device=present.device).view(1, -1, 1, 1)
        return torch.where(present, channel, -1)
