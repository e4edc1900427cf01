"""The coding program: the core code, then the slices of y, each a layer of the file.

    core          factorized prior
    means, scales an integer network of the core code: it takes the place of a hyperprior
    slice i       mean and scale index from these and the slices before it

Everything is in integers. A file may end after any slice; the means predicted from what is there take the place of
the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.charm import VALUE_MAX, ChannelSlices, ExactArithmetic
from codectk.nn.coders import tensor_coder
from codectk.nn.exact import ExactConv2d, ExactSubpixel, exact_math
from codectk.nn.priors import FactorizedPrior
from codectk.spec.stages import LatentSpec
from codectk_hsc.config import Config

CORE, FEATURE, LAYERS = "core", "y", "layers"
"""Names of the latents, and of the number of layers that the analysis asks for."""

CORNER = 4
"""Side of the map that the core code is unfolded to before it is upsampled."""


def latent_specs(config: Config) -> tuple[LatentSpec, ...]:
    """Both latents, whose size does not depend on the picture's: core (1, core, 1, 1), y (1, latent, cut, cut)."""
    return LatentSpec(CORE, config.core, None, "factorized"), LatentSpec(FEATURE, config.latent, None)


class CorePrior(nn.Module):
    """Core code, integers (B, core, 1, 1) -> features (B, 2 prior, cut, cut) on the integer path."""

    def __init__(self, config: Config):
        super().__init__()
        c = config
        self.width = c.prior
        self.unfold = ExactConv2d(c.core, c.prior * CORNER**2, 1, in_bits=0, in_max=VALUE_MAX, leaky=True)
        ups: list[nn.Module] = []
        side = CORNER
        while side < c.cut:
            side *= 2
            last = side == c.cut
            ups.append(ExactSubpixel(c.prior, 2 * c.prior if last else c.prior, leaky=not last))
        self.ups = nn.Sequential(*ups)

    def forward(self, core: Tensor) -> Tensor:
        return self.ups(self.unfold(core).view(len(core), self.width, CORNER, CORNER))


class EntropyModel(ChannelSlices):
    """See the module's text."""

    def __init__(self, config: Config):
        arithmetic = ExactArithmetic(config.parameter_nets)
        super().__init__(arithmetic, config.slices, len(config.slices), config.prior, layered=True)
        self.arithmetic: ExactArithmetic = arithmetic
        self.side = config.cut
        self.needs = self.gives = latent_specs(config)
        self.core_prior = CorePrior(config)
        self.prior_core = FactorizedPrior(CORE, config.core)

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        device = self.prior_core.matrices[0].device
        coder = tensor_coder(coder, device)
        core, y, layers = (None, None, None) if values is None else (values[name] for name in (CORE, FEATURE, LAYERS))
        batch = 1 if core is None else len(core)
        with exact_math(device):
            channel = torch.arange(self.prior_core.channels, device=device).view(1, -1, 1, 1)
            core = coder.code(channel.expand(batch, -1, 1, 1), core, self.prior_core)
            means, scales = self.core_prior(self.arithmetic.value(core, self.prior_core)).chunk(2, 1)
            return {CORE: core, FEATURE: self.code_slices(coder, y, means, scales, layers)}
