"""Synthesis transform: y and middle prototypes back to a picture; its networks as modules.

It shows the input of its last layers to the post stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.blocks import conv3x3
from codectk.nn.gain import Gain
from codectk.nn.linear import LinearSynthesis
from codectk_segpic import transforms
from codectk_segpic.config import Config
from codectk_segpic.layers import WAM, Up
from codectk_segpic.rat import RAT, NoRAT

LAST = 2
"""First layer of g_s1 that the post stage may replace: the last change of resolution, and what makes pixels of it."""


class Synthesis(nn.Module):
    """SegPIC's decoder network: float32 (B, 3, H, W), nominally in [0, 1], not clamped.

    Features: `last` (B, C, H/s, W/s), the input of g_s1 from layer `LAST` on; `base` float32 (B, 3, H, W), the picture
    of the linear path, or zero.

    Args:
        config: widths.
        proto_decoder: decoder of the middle prototypes, shared with the analysis.
    """

    compact = ("g_s", "dyn")

    def __init__(self, config: Config, proto_decoder: nn.Module):
        super().__init__()
        self.needs, self.reveals = transforms.painted_specs(config), transforms.feature_specs(config)
        self.shared = {"g_sb": proto_decoder} if config.has("regions") else {}
        self.without_knobs = frozenset() if config.exact else frozenset({"quality"})
        first, mid = config.mid
        self.deep, self.regional = config.deep, config.has("regions")
        lead = WAM(config.deep, 4, config.heads, config.wam_units[1])
        attend = WAM(mid, 8, config.heads, config.wam_units[0])
        if config.stem > 1:
            self.g_s0 = nn.Sequential(lead, Up(config.deep, mid, 1, config.shortcuts))
            self.g_s1 = nn.Sequential(
                attend,
                Up(mid, first, 3, config.shortcuts),
                Up(first, config.tail, 3, config.shortcuts),
                conv3x3(config.tail, 12),
                nn.PixelShuffle(2),
            )
        else:
            self.g_s0 = nn.Sequential(lead, Up(config.deep, mid), Up(mid, mid))
            self.g_s1 = nn.Sequential(attend, Up(mid, mid), Up(mid, config.tail), nn.Conv2d(config.tail, 3, 1))
        self.proto_decoder = [proto_decoder]  # owned (and saved) by the network
        self.dyn_decoder = RAT(mid, mid, config.rat_mid) if config.has("rat") else NoRAT()
        self.linear = LinearSynthesis(config.latent) if config.linear else None
        if self.linear is not None:
            head = self.g_s1[-2]
            assert isinstance(head, nn.Conv2d) and head.bias is not None
            with torch.no_grad():  # the first pictures are those of the linear path
                head.weight.mul_(0.1)
                head.bias.zero_()
        self.gain = Gain(config.latent, *(1 / gain for gain in config.gains)) if config.exact else None

    @property
    def last(self) -> nn.Sequential:
        """The layers that make pixels of the features."""
        layers: nn.Sequential = self.g_s1[LAST:]
        return layers

    @property
    def front(self) -> nn.Sequential:
        """The layers of g_s1 before `last`."""
        return self.g_s1[:LAST]

    @property
    def g_sb(self) -> nn.Module:
        return self.proto_decoder[0]

    def features(self, latents: Mapping[str, Any], ctx: Context) -> Mapping[str, Tensor]:
        return transforms.features(self, latents, ctx)

    def __call__(self, latents: Mapping[str, Any], ctx: Context) -> Tensor:
        x: Tensor = transforms.paint(self, latents)
        return x
