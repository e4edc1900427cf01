"""The networks of the coding program (`codectk_hsc.program`), as modules."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.charm import ChannelSlices, IntegerNetworks
from codectk.nn.exact import ExactConv2d, ExactSubpixel, exact_math
from codectk.nn.priors import FactorizedPrior
from codectk.programs.slices import VALUE_MAX
from codectk_hsc import program
from codectk_hsc.config import Config
from codectk_hsc.program import CORE, latent_specs

CORNER = 4
"""Side of the map that the core code is unfolded to before it is upsampled."""


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
    """See `codectk_hsc.program.code`."""

    def __init__(self, config: Config):
        networks = IntegerNetworks(config.parameter_nets)
        super().__init__(networks, config.slices, len(config.slices), config.prior, layered=True)
        self.needs = self.gives = latent_specs(config)
        self.core_prior = CorePrior(config)
        self.prior_core = FactorizedPrior(CORE, config.core)

    def exactly(self) -> AbstractContextManager[None]:
        return exact_math(self.prior_core.medians.device)

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        return program.code(self, coder, values)
