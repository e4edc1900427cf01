"""The decoder: core code and residual become style codes, and the generator paints them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.types import Context
from codectk_hsc.basis import Basis
from codectk_hsc.config import Config
from codectk_hsc.editing.directions import moved
from codectk_hsc.generators.interface import Generator
from codectk_hsc.holder import Holder
from codectk_hsc.program import CORE, RESIDUAL, latent_specs
from codectk_hsc.semantics import SemanticDecoder


class Synthesis(nn.Module):
    """Latents to pixels.

    Pictures have the context's size: the generator's square is reduced to it, or enlarged.
    """

    def __init__(self, config: Config, holder: Holder):
        super().__init__()
        self.cut, self.step, self.holder = config.cut, config.step, holder
        self.needs = latent_specs(config)
        self.basis = Basis(config)
        self.semantics = SemanticDecoder(config)

    @property
    def generator(self) -> Generator:
        return self.holder.on(self.basis.mean.device)

    def styles(self, core: Tensor, residual: Tensor | None = None) -> Tensor:
        """Style codes (B, slots, dim) of a core code (B, core, 1, 1) and a residual (B, components, slots, 1)."""
        with torch.autocast(core.device.type, enabled=False):
            coordinates = self.semantics(core)
            if residual is not None:
                coordinates = coordinates + self.step * residual[..., 0].mT
            return self.basis.styles(coordinates)

    def residual(self, coordinates: Tensor, core: Tensor) -> Tensor:
        """What coordinates (B, slots, components) have beyond those of the core code, in steps."""
        return ((coordinates - self.semantics(core)) / self.step).mT[..., None]

    def __call__(self, latents: Mapping[str, Tensor], ctx: Context) -> Tensor:
        styles = self.styles(latents[CORE], latents[RESIDUAL])
        return self.paint(moved(styles, ctx.edits) if ctx.edits else styles, ctx.height, ctx.width)

    def paint(self, styles: Tensor, height: int, width: int) -> Tensor:
        """The picture, float32 (B, 3, height, width), nominally in [0, 1]."""
        side = self.generator.size
        while side // 2 >= max(height, width, self.cut):
            side //= 2
        x = self.generator.picture(styles, side)
        if (height, width) == (side, side):
            return x
        return F.interpolate(x, (height, width), mode="bicubic", antialias=True, align_corners=False)
