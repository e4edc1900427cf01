"""The encoder: a picture becomes a core code and y."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk_hsc.config import Config
from codectk_hsc.decoding import Synthesis
from codectk_hsc.domain import LIMIT, Domain
from codectk_hsc.feature import FeatureEncoder
from codectk_hsc.inversion import InversionEncoder, shrink
from codectk_hsc.program import CORE, FEATURE, LAYERS, latent_specs
from codectk_hsc.semantics import SemanticEncoder

QUALITY_MAX = 100.0


class Inverted(NamedTuple):
    """What a picture was found to be: coordinates of its styles (B, slots, components), its feature at the cut, and
    the values to code."""

    coordinates: Tensor
    feature: Tensor
    core: Tensor
    y: Tensor


class Analysis(nn.Module):
    """Pixels to values. All but the number of layers is the same for every quality.

    Args:
        config: widths.
        synthesis: the decoder, since y is what its styles leave to say. It keeps its weights to itself.
    """

    def __init__(self, config: Config, synthesis: Synthesis):
        super().__init__()
        self.side, self.slices = config.side, len(config.slices)
        self.produces = latent_specs(config)
        self.inversion = InversionEncoder(config)
        self.semantics = SemanticEncoder(config)
        self.difference = FeatureEncoder(config)
        self.domain = Domain()
        self._decoder = (synthesis,)  # in a tuple, a module is not registered a second time

    def prepare(self, x: Tensor, condition: Any, ctx: Context) -> Inverted:
        return self.invert(shrink(x, self.side))

    def outside(self, prepared: Inverted, ctx: Context) -> str | None:
        strangeness = self.domain.strangeness(prepared.y)
        if strangeness <= LIMIT:
            return None
        return (
            f"This does not look like an aligned face ({strangeness:.1f} deviations from those in training, "
            f"{LIMIT:g} are allowed); another picture than the one given will come out."
        )

    def invert(self, x: Tensor) -> Inverted:
        """Pictures float32 (B, 3, side, side) in [0, 1]."""
        (decoder,) = self._decoder
        basis = decoder.basis
        seen = self.inversion(x)
        core = self.semantics(seen.coordinates)
        with torch.no_grad():
            face = decoder.styled(torch.round(core))
            known = decoder.known(face)
        difference = self.inversion.difference(seen.trunk, known)
        feature = face.feature + difference * basis.spread
        return Inverted(seen.coordinates, feature, core, self.difference(difference, known))

    def finish(self, prepared: Inverted, ctx: Context) -> Mapping[str, Any]:
        return {CORE: prepared.core, FEATURE: prepared.y, LAYERS: layers_of(ctx.knobs["quality"], self.slices)}

    def __call__(self, x: Tensor, condition: Any, ctx: Context) -> Mapping[str, Any]:
        return self.finish(self.prepare(x, condition, ctx), ctx)


def layers_of(quality: float, slices: int) -> int:
    """Slices to send: none at quality 0, all at 100."""
    return round(quality / QUALITY_MAX * slices)
