"""Rate-distortion losses, per sample."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from codectk.base.errors import UsageError
from codectk.train.recipe import LossSection

Distortion = Callable[[Tensor, Tensor], Tensor]
"""(reconstruction, original), float32 (B, 3, H, W) in [0, 1] -> (B,)."""


def mse_255(x: Tensor, target: Tensor) -> Tensor:
    """Mean squared error on the 0..255 scale, (B,)."""
    return (x - target).square().mean((1, 2, 3)) * 255.0**2


class RateDistortion:
    """L = lambda(q)^-balance * (bpp + lambda(q) * distortion), one value per sample."""

    def __init__(self, section: LossSection):
        if section.mse <= 0:
            raise UsageError("the loss needs a positive mse weight.")
        self.section = section
        self.terms: list[tuple[float, Distortion]] = [(section.mse, mse_255)]

    def multiplier(self, quality: Tensor) -> Tensor:
        """lambda at a quality in [0, 100]."""
        section = self.section
        return section.low * (section.high / section.low) ** (quality / 100.0)

    def __call__(self, x: Tensor, target: Tensor, bpp: Tensor, quality: Tensor) -> Tensor:
        multiplier = self.multiplier(quality)
        distortion = torch.stack([weight * term(x, target) for weight, term in self.terms]).sum(0)
        middle = (self.section.low * self.section.high) ** 0.5
        return (multiplier / middle) ** -self.section.balance * (bpp + multiplier * distortion)
