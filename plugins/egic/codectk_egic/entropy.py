"""Entropy model: hyperprior and channel-wise autoregressive slices (ChARM, without latent residual prediction).

    z                 factorized prior; z = h_a(y)
    means, scales     h_s(z)
    slice i           mean and scale index from the features and the slices before it

`small` runs everything behind z in integers, `full` in the paper's float networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.blocks import conv3x3
from codectk.nn.charm import ChannelSlices, ExactArithmetic, FloatArithmetic
from codectk.nn.coders import tensor_coder
from codectk.nn.exact import exact_math
from codectk.nn.priors import SCALE_LEVELS, FactorizedPrior
from codectk.nn.quantize import clamp_ste
from codectk_egic.analysis import latent_specs
from codectk_egic.config import Config
from codectk_egic.swin import BasicLayer, Channels, PatchEmbed, PatchSplitting, PatchUnpack, down_layers

Z_START = 8.0
"""z starts at several units: codes that all round to zero say nothing and never learn to speak."""


class Exact(ExactArithmetic):
    """Integers in float32."""

    def __init__(self, config: Config):
        super().__init__(config.parameter_nets[0])
        self.config = config
        self.z_start = Z_START

    def hyper_decoder(self) -> nn.Module:
        c = self.config
        return Both(self.latent_decoder(c.hyper, c.hyper_features) for _ in range(2))


class Float(FloatArithmetic):
    """The paper's float networks: Swin layers, and ReLU between 3x3 convolutions that end in scale indices."""

    def __init__(self, config: Config):
        self.config = config
        self.z_start = 1.0

    def hyper_decoder(self) -> nn.Module:
        c = self.config
        first, second = c.hyper_synthesis
        split = PatchSplitting(first.dim, second.dim)
        unpack = PatchUnpack(second.dim, 2 * c.hyper_features, 2)
        layers = (BasicLayer(layer, c.head_dim, c.mlp_ratio, up) for layer, up in ((first, split), (second, unpack)))
        return Channels(nn.Sequential(*layers))

    def mean_net(self, seen: int, out: int, part: int) -> nn.Sequential:
        a, b = self.config.parameter_nets[part]
        return nn.Sequential(conv3x3(seen, a), nn.ReLU(), conv3x3(a, b), nn.ReLU(), conv3x3(b, out))

    scale_net = mean_net

    def scale_index(self, scale: Tensor) -> Tensor:
        return clamp_ste(scale, 0, SCALE_LEVELS - 1)


class Both(nn.ModuleList):
    """Two networks on one input, their outputs side by side."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([network(x) for network in self], 1)


class EntropyModel(ChannelSlices):
    """See the module's text. Latents: `y` float32 (B, M, h, w)."""

    compact = ("h_a",)

    def __init__(self, config: Config):
        arithmetic = Exact(config) if config.exact else Float(config)
        super().__init__(arithmetic, config.slices, config.support, config.hyper_features, own_view=config.own_view)
        self.arithmetic: Exact | Float = arithmetic
        self.portable = config.exact
        self.without_knobs = frozenset() if config.exact else frozenset({"quality"})
        self.needs = self.gives = latent_specs(config)
        embed = PatchEmbed(config.latent, config.hyper_analysis[0].dim, 2)
        layers = down_layers(config.hyper_analysis, config.head_dim, config.mlp_ratio)
        self.h_a = Channels(nn.Sequential(embed, *layers))
        self.h_s = arithmetic.hyper_decoder()
        self.prior_z = FactorizedPrior("z", config.hyper)

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        device = self.prior_z.matrices[0].device
        coder, arithmetic = tensor_coder(coder, device), self.arithmetic
        y = z = None
        batch = 1
        if values is not None:
            y = values["y"]
            batch = y.shape[0]
            z = self.h_a(arithmetic.hyper_input(y)).float() * arithmetic.z_start
        with exact_math(device):
            channel = torch.arange(self.prior_z.channels, device=device).view(1, -1, 1, 1)
            at = channel.expand(batch, -1, ctx.height // 64, ctx.width // 64)
            z = coder.code(at, None if z is None else z - self.prior_z.medians, self.prior_z)
            hyper = arithmetic.enter(arithmetic.value(z, self.prior_z), ctx.knobs.get("quality"))
            means, scales = self.h_s(hyper).chunk(2, 1)
            return {"y": self.code_slices(coder, y, means, scales)}
