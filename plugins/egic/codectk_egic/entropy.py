"""The networks of the coding program (`codectk_egic.program`), as modules.

`small` runs everything behind z in integers, `full` in the paper's float networks.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.blocks import conv3x3
from codectk.nn.charm import ChannelSlices, IntegerNetworks
from codectk.nn.exact import exact_math
from codectk.nn.linear import mean_channels
from codectk.nn.priors import FactorizedPrior
from codectk.nn.quantize import clamp_ste
from codectk.programs.slices import REALS
from codectk.programs.values import SCALE_LEVELS
from codectk_egic import program
from codectk_egic.config import Config
from codectk_egic.program import latent_specs
from codectk_egic.swin import BasicLayer, Channels, PatchEmbed, PatchSplitting, PatchUnpack, down_layers


class Integers(IntegerNetworks):
    """Integers in float32."""

    z_start = program.Z_START

    def __init__(self, config: Config):
        super().__init__(config.parameter_nets[0])
        self.config = config

    def hyper_decoder(self) -> nn.Module:
        c = self.config
        return Both(self.latent_decoder(c.hyper, c.hyper_features) for _ in range(2))


class Float:
    """The paper's float networks: Swin layers, and ReLU between 3x3 convolutions that end in scale indices."""

    numbers = REALS
    z_start = 1.0

    def __init__(self, config: Config):
        self.config = config

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

    def scale_net(self, seen: int, out: int, part: int) -> nn.Sequential:
        return nn.Sequential(*self.mean_net(seen, out, part), ScaleRange())

    def context_table(self) -> nn.Module:
        return nn.Identity()


class ScaleRange(nn.Module):
    """Real scale indices, clamped to those that there are."""

    def forward(self, x: Tensor) -> Tensor:
        return clamp_ste(x, 0, SCALE_LEVELS - 1)


class Both(nn.ModuleList):
    """Two networks on one input, their outputs side by side."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([network(x) for network in self], 1)


class EntropyModel(ChannelSlices):
    """See `codectk_egic.program.code`."""

    compact = ("h_a",)

    def __init__(self, config: Config):
        networks: Any = Integers(config) if config.exact else Float(config)
        super().__init__(
            networks, config.slices, config.support, config.hyper_features,
            own_view=config.own_view, two_pass=config.two_pass,
        )  # fmt: skip
        if config.two_pass and config.linear:
            first: Any = self.neighbors[0]
            first.smooth(mean_channels())
        self.z_start = networks.z_start
        self.portable = config.exact
        self.without_knobs = frozenset() if config.exact else frozenset({"quality"})
        self.needs = self.gives = latent_specs(config)
        embed = PatchEmbed(config.latent, config.hyper_analysis[0].dim, 2)
        layers = down_layers(config.hyper_analysis, config.head_dim, config.mlp_ratio)
        self.h_a = Channels(nn.Sequential(embed, *layers))
        self.h_s = networks.hyper_decoder()
        self.prior_z = FactorizedPrior("z", config.hyper)

    def exactly(self) -> AbstractContextManager[None]:
        return exact_math(self.prior_z.medians.device)

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        return program.code(self, coder, values, ctx)
