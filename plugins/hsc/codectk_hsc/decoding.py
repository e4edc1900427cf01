"""The decoder: core code and y become styles and feature, and the generator paints them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.types import Context
from codectk_hsc.basis import Basis
from codectk_hsc.config import Config
from codectk_hsc.editing.directions import moved
from codectk_hsc.feature import FeatureDecoder
from codectk_hsc.generators.interface import Generator
from codectk_hsc.holder import Holder
from codectk_hsc.program import CORE, FEATURE, latent_specs
from codectk_hsc.semantics import SemanticDecoder


class Face(NamedTuple):
    """What the generator paints: style codes (B, slots, dim) and the feature at the cut (B, channels, cut, cut)."""

    styles: Tensor
    feature: Tensor


class Synthesis(nn.Module):
    """Latents to pixels.

    Pictures have the context's size: the generator's square is reduced to it, or enlarged.
    """

    def __init__(self, config: Config, holder: Holder):
        super().__init__()
        self.cut, self.holder = config.cut, holder
        self.needs = latent_specs(config)
        self.basis = Basis(config)
        self.semantics = SemanticDecoder(config)
        self.difference = FeatureDecoder(config)

    @property
    def generator(self) -> Generator:
        return self.holder.on(self.basis.mean.device)

    def styled(self, core: Tensor) -> Face:
        """What the core code alone says: its styles, and the feature that the generator makes of them."""
        styles = self.basis.styles(self.semantics(core))
        return Face(styles, self.generator.low(styles, self.cut))

    def restored(self, face: Face, y: Tensor) -> Face:
        """The face with the coded difference added to its feature."""
        difference = self.difference(y, self.known(face))
        return Face(face.styles, face.feature + difference * self.basis.spread)

    def known(self, face: Face) -> Tensor:
        """What steers the feature coder."""
        return self.basis.relative(face.feature, self.basis.template)

    def __call__(self, latents: Mapping[str, Tensor], ctx: Context) -> Tensor:
        styled = self.styled(latents[CORE])
        face = self.restored(styled, latents[FEATURE])
        if ctx.edits:
            face = self.edited(styled, face, ctx.edits)
        return self.paint(face, ctx.height, ctx.width)

    def edited(self, styled: Face, face: Face, edits: Mapping[str, float]) -> Face:
        """Move the styles, and the feature by as much as that moves the generator's own feature.

        Without this correction the coded feature would hide the edit (Yao et al. 2022, section 3.4).

        Args:
            styled: the face of the core code alone.
            face: the restored one.
            edits: amounts by name.
        """
        styles = moved(face.styles, edits)
        return Face(styles, face.feature + self.generator.low(styles, self.cut) - styled.feature)

    def paint(self, face: Face, height: int, width: int) -> Tensor:
        """The picture, float32 (B, 3, height, width), nominally in [0, 1]."""
        side = self.generator.size
        while side // 2 >= max(height, width, self.cut):
            side //= 2
        x = self.generator.high(face.feature, face.styles, side)
        if (height, width) == (side, side):
            return x
        return F.interpolate(x, (height, width), mode="bicubic", antialias=True, align_corners=False)
