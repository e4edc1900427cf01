"""Analysis transform: picture to y, by Swin layers and, in `small`, a linear path beside them; networks as modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.gain import Gain
from codectk.nn.linear import LinearAnalysis
from codectk.spec.capabilities import Refinement
from codectk_egic import transforms
from codectk_egic.config import Config
from codectk_egic.program import latent_specs
from codectk_egic.swin import Channels, PatchEmbed, down_layers

LOW_GAIN, HIGH_GAIN = 0.25, 1.2
"""Initial gain of y at quality 0 and 100: the quantization steps that suit an orthonormal transform there."""


class Analysis(nn.Module):
    """EGIC's encoder network without the hyper-encoder. Values: `y` float32 (B, M, H/16, W/16)."""

    compact = ("g_a",)

    def __init__(self, config: Config):
        super().__init__()
        self.produces = latent_specs(config)
        self.refinement = Refinement(("y",), {"mse": 1.0}, {"realism": 0.0})
        self.without_knobs = frozenset() if config.exact else frozenset({"quality"})
        head, ratio = config.head_dim, config.mlp_ratio
        embed = PatchEmbed(3, config.analysis[0].dim, config.embed)
        self.g_a = Channels(nn.Sequential(embed, *down_layers(config.analysis, head, ratio, config.shortcuts)))
        self.linear = LinearAnalysis(config.latent) if config.linear else None
        # Starts small, so that the first pictures are those of the linear path.
        self.blend = nn.Parameter(torch.full((1, config.latent, 1, 1), 0.05)) if config.linear else None
        self.gain = Gain(config.latent, LOW_GAIN, HIGH_GAIN) if config.exact else None

    def prepare(self, x: Tensor, condition: Any, ctx: Context) -> Tensor:
        """Everything that does not depend on the quality knob."""
        y: Tensor = transforms.prepare(self, x, condition)
        return y

    def finish(self, prepared: Tensor, ctx: Context) -> Mapping[str, Any]:
        return transforms.finish(self, prepared, ctx)

    def __call__(self, x: Tensor, condition: Any, ctx: Context) -> Mapping[str, Any]:
        return self.finish(self.prepare(x, condition, ctx), ctx)
