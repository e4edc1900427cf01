"""The encoder: a picture becomes a core code and a residual."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.metrics.lpips import LPIPS, load_lpips
from codectk.metrics.weight_files import LPIPS_FILE, find
from codectk.nn.quantize import clamp_ste
from codectk.spec.capabilities import Refinement
from codectk_hsc.config import Config
from codectk_hsc.decoding import Synthesis
from codectk_hsc.domain import LIMIT, unlikeness
from codectk_hsc.inversion import InversionEncoder, shrink
from codectk_hsc.program import CORE, LAYERS, RESIDUAL, latent_specs
from codectk_hsc.semantics import SemanticEncoder

QUALITY_MAX = 100.0

SQUARED = 5 / 255**2
"""What a squared error of pixels counts beside LPIPS, so that colors stay."""

RATE = 0.35
"""Step size of refinement, in steps of the residual: a few dozen steps must do."""


class Inverted(NamedTuple):
    """What a picture was found to be: itself as it was seen (B, 3, side, side), coordinates of its styles
    (B, slots, components), and the values to code."""

    seen: Tensor
    coordinates: Tensor
    core: Tensor
    residual: Tensor


class Analysis(nn.Module):
    """Pixels to values. All but the number of layers is the same for every quality.

    Args:
        config: widths.
        synthesis: the decoder, since the residual is what its core code leaves to say. It keeps its weights to itself.
    """

    def __init__(self, config: Config, synthesis: Synthesis):
        super().__init__()
        self.side, self.slices = config.side, len(config.slices)
        self.produces = latent_specs(config)
        self.inversion = InversionEncoder(config)
        self.semantics = SemanticEncoder(config)
        self.refinement = Refinement(
            (RESIDUAL,),
            {"mse": SQUARED},
            unlike=self.unlike,
            side=config.side,
            rate=RATE,
            precision="bfloat16",
            rounding="straight",
        )
        self._lpips: list[LPIPS] = []  # in a list, as below
        self._decoder = (synthesis,)  # in a tuple, a module is not registered a second time

    def prepare(self, x: Tensor, condition: Any, ctx: Context) -> Inverted:
        return self.invert(shrink(x, self.side))

    def outside(self, prepared: Inverted, ctx: Context) -> str | None:
        (decoder,) = self._decoder
        painted = decoder.paint(decoder.basis.styles(prepared.coordinates), self.side, self.side).clamp(0, 1)
        backbone = self.inversion.backbone
        found = unlikeness(backbone(painted)[-1], backbone(prepared.seen)[-1])
        if found <= LIMIT:
            return None
        return (
            f"This does not look like an aligned face (unlikeness {found:.2f}, {LIMIT:g} is allowed); another picture "
            "than the one given may come out."
        )

    def invert(self, x: Tensor) -> Inverted:
        """Pictures float32 (B, 3, side, side) in [0, 1]."""
        (decoder,) = self._decoder
        coordinates = self.inversion(x)
        core = self.semantics(coordinates)
        with torch.no_grad():
            residual = decoder.residual(coordinates, torch.round(core))
        return Inverted(x, coordinates, core, residual)

    def finish(self, prepared: Inverted, ctx: Context) -> Mapping[str, Any]:
        layers = layers_of(ctx.knobs["quality"], self.slices)
        return {CORE: prepared.core, RESIDUAL: prepared.residual, LAYERS: layers}

    def __call__(self, x: Tensor, condition: Any, ctx: Context) -> Mapping[str, Any]:
        return self.finish(self.prepare(x, condition, ctx), ctx)

    def unlike(self, painted: Tensor, original: Tensor) -> Tensor:
        """LPIPS, which a person's likeness follows closely.

        Raises:
            WeightsAbsentError: its weights are not here.
        """
        if not self._lpips:
            self._lpips.append(load_lpips(find(LPIPS_FILE, None)).to(painted.device))
        return self._lpips[0](clamp_ste(painted, 0.0, 1.0), original).mean()


def layers_of(quality: float, slices: int) -> int:
    """Slices to send: none at quality 0, all at 100."""
    return round(quality / QUALITY_MAX * slices)
