"""What the coding program (`codectk_hsc.program`) reads, as modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.priors import FactorizedPrior, GaussianPrior, index_of
from codectk_hsc import program
from codectk_hsc.config import Config
from codectk_hsc.program import CORE, RESIDUAL, latent_specs


class EntropyModel(nn.Module):
    """See `codectk_hsc.program.code`.

    Attributes:
        scales: int8 (1, components, slots, 1), the scale index of each value of the residual. They are measured
            (`codectk_hsc.training.residuals`) and not trained.
    """

    scales: Tensor

    def __init__(self, config: Config):
        super().__init__()
        self.slices = config.slices
        self.needs = self.gives = latent_specs(config)
        self.prior_core = FactorizedPrior(CORE, config.core)
        self.prior_residual = GaussianPrior(RESIDUAL)
        start = int(index_of(torch.tensor(1.0)))
        self.register_buffer("scales", torch.full((1, config.components, config.slots, 1), start, dtype=torch.int8))

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        return program.code(self, coder, values)
