"""Synthesis transform: y back to a picture; its networks as modules.

It shows the input of its last layer to the post stage, for output residual prediction.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.gain import Gain
from codectk.nn.linear import LinearSynthesis
from codectk_egic import transforms
from codectk_egic.analysis import HIGH_GAIN, LOW_GAIN
from codectk_egic.config import Config
from codectk_egic.program import latent_specs
from codectk_egic.swin import BasicLayer, Channels, PatchUnpack, up_layers


class Synthesis(nn.Module):
    """EGIC's decoder network: float32 (B, 3, H, W), nominally in [0, 1], not clamped.

    Features: `last` (B, C, H/s, W/s), the input of the last layer; `base` float32 (B, 3, H, W), the picture of the
    linear path, or zero.
    """

    compact = ("g_s",)

    def __init__(self, config: Config):
        super().__init__()
        self.needs = latent_specs(config)
        self.without_knobs = frozenset() if config.exact else frozenset({"quality"})
        self.reveals = transforms.feature_specs(config)
        layers = up_layers(config.synthesis, config.last.dim, config.head_dim, config.mlp_ratio, config.shortcuts)
        self.g_s = Channels(layers)
        self.last = last_layer(config)
        self.linear = LinearSynthesis(config.latent) if config.linear else None
        self.gain = Gain(config.latent, 1 / LOW_GAIN, 1 / HIGH_GAIN) if config.exact else None

    def features(self, latents: Mapping[str, Any], ctx: Context) -> Mapping[str, Tensor]:
        return transforms.features(self, latents, ctx)

    def __call__(self, latents: Mapping[str, Any], ctx: Context) -> Tensor:
        x: Tensor = transforms.paint(self, latents)
        return x


def last_layer(config: Config) -> nn.Module:
    """The layer from features to pixels, of the synthesis and of output residual prediction alike."""
    unpack = PatchUnpack(config.last.dim, 3, config.unpack, config.unpack_kernel)
    if config.linear:
        with torch.no_grad():  # the first pictures are those of the linear path
            unpack.expansion.weight.mul_(0.1)
            assert unpack.expansion.bias is not None
            unpack.expansion.bias.zero_()
    return Channels(BasicLayer(config.last, config.head_dim, config.mlp_ratio, unpack))
