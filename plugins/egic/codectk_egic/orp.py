"""Output residual prediction: one file, any point between the faithful and the realistic picture (paper section 3.3).

    x(alpha) = alpha x_G + (1 - alpha) x_M

x_G is the synthesis' picture. x_M comes from a second last layer, trained for MSE alone on the same features, and costs
no bits. The knob `realism` is alpha.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from codectk.base.types import Context
from codectk_egic.config import Config
from codectk_egic.synthesis import feature_specs, last_layer, painted


class OutputResidualPrediction(nn.Module):
    """Post stage with the knob `realism` in [0, 1]. At 1 it passes the picture on and computes nothing."""

    def __init__(self, config: Config):
        super().__init__()
        self.needs = feature_specs(config)
        self.linear = config.linear
        self.head = last_layer(config)

    def __call__(self, x: Tensor, latents: Mapping[str, Any], ctx: Context) -> Tensor:
        alpha = ctx.knobs["realism"]
        if alpha == 1:
            return x
        features = {name: latents[name].detach() for name in ("last", "base")}
        faithful = painted(self.head, features, self.linear)
        return faithful + alpha * (x - faithful)
