"""How much an error weighs beside a bit, by quality."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def multiplier(quality: Tensor, low: float, high: float, top: float = 0.0, knee: float = 80.0) -> Tensor:
    """lambda at a quality in [0, 100]: low * (high / low)^(quality / 100).

    Args:
        quality: any shape.
        low, high: lambda at 0 and 100.
        top: where it is not 0, lambda leaves that line at `knee` and rises, exponentially too, to `top` at 100.
        knee: a quality below 100.
    """
    span = math.log(high / low) / 100
    exponent = quality * span
    if top > 0:
        rise = (math.log(top / low) - span * knee) / (100 - knee)
        exponent = exponent + (quality - knee).clamp(min=0) * (rise - span)
    return torch.exp(exponent).mul(low)
