"""Analysis transform: picture and regions to y, middle prototypes and deep prototypes; its networks as modules."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.gain import Gain
from codectk.nn.linear import LinearAnalysis
from codectk.spec.capabilities import Refinement
from codectk_segpic import prototypes, transforms
from codectk_segpic.config import Config
from codectk_segpic.layers import WAM, Down
from codectk_segpic.program import latent_specs
from codectk_segpic.rat import RAT, NoRAT
from codectk_segpic.regions import AREA_SLACK


class Analysis(nn.Module):
    """SegPIC's encoder network without the hyper-encoder.

    Args:
        config: widths.
        proto_decoder: decoder of the middle prototypes, shared with the synthesis.
        rounded: the entropy model's view of middle codes, `EntropyModel.rounded_mid`.

    Values: see `transforms.prepare`.
    """

    compact = ("g_a", "dyn")

    def __init__(self, config: Config, proto_decoder: nn.Module, rounded: Callable[[Tensor], Tensor]):
        super().__init__()
        self.produces = latent_specs(config)
        self.refinement = Refinement(("y",), {"mse": 1.0})
        self.labels = config.labels
        self.listens: tuple[str, ...] = ()
        if config.has("regions"):
            self.listens = ("labels at stride 16",) if config.labels else ("regions",)
        self.shared = {"g_sb": proto_decoder} if config.has("regions") else {}
        self.without_knobs = frozenset() if config.exact else frozenset({"quality"})
        first, mid = config.mid
        strides = (1, 2, 2) if config.stem == 4 else (2, 2, 2, 2)
        head = 3 * config.stem**2
        k = config.kernels
        self.g_a1 = nn.Sequential(
            nn.PixelUnshuffle(config.stem) if config.stem > 1 else nn.Identity(),
            Down(head, first, k[0], strides[0]),
            Down(first, mid, k[1], strides[1], config.shortcuts),
            WAM(mid, 8, config.heads, config.wam_units[0]),
        )
        deep = (
            [Down(mid, config.deep, k[-1], 2, config.shortcuts)]
            if config.stem > 1
            else [Down(mid, mid, k[2]), Down(mid, config.deep, k[3])]
        )
        self.g_a2 = nn.Sequential(*deep, WAM(config.deep, 4, config.heads, config.wam_units[1]))
        self.g_ab = prototypes.encoder(mid, config.code_mid) if config.has("regions") else None
        self.g_ab2 = prototypes.encoder(config.latent, config.code_deep) if config.has("regions") else None
        self.proto_decoder = [proto_decoder]  # in a list: owned (and saved) by the network, not by this stage
        self.rounded = rounded
        self.cell_slack = AREA_SLACK if config.exact else 0.0
        self.dyn_encoder = RAT(mid, mid, config.rat_mid) if config.has("rat") else NoRAT()
        self.linear = LinearAnalysis(config.latent) if config.linear else None
        # Starts small, so that the first pictures are those of the linear path.
        self.blend = nn.Parameter(torch.full((1, config.deep, 1, 1), 0.05)) if config.linear else None
        self.gain = Gain(config.latent, *config.gains) if config.exact else None

    @property
    def g_sb(self) -> nn.Module:
        return self.proto_decoder[0]

    def prepare(self, x: Tensor, condition: Any, ctx: Context) -> Mapping[str, Any]:
        """Everything that does not depend on the quality knob."""
        return transforms.prepare(self, x, condition)

    def finish(self, prepared: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        """Scale y for the quality asked for."""
        return transforms.finish(self, prepared, ctx)

    def __call__(self, x: Tensor, condition: Any, ctx: Context) -> Mapping[str, Any]:
        return self.finish(self.prepare(x, condition, ctx), ctx)
