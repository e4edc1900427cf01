"""Rate-distortion losses, per sample."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from codectk.base.errors import UsageError
from codectk.nn import ms_ssim as similarity
from codectk.nn.lpips import MIN_SIDE as LPIPS_MIN_SIDE
from codectk.nn.lpips import load_lpips
from codectk.train.recipe import LossSection

Distortion = Callable[[Tensor, Tensor], Tensor]
"""(reconstruction, original), float32 (B, 3, H, W), nominally in [0, 1] -> (B,)."""


def mse_255(x: Tensor, target: Tensor) -> Tensor:
    """Mean squared error on the 0..255 scale, (B,)."""
    return (x - target).square().mean((1, 2, 3)) * 255.0**2


def ms_ssim_loss(x: Tensor, target: Tensor) -> Tensor:
    """1 - MS-SSIM, (B,) in 0..1."""
    return 1 - similarity.ms_ssim(x, target)


class Mixture:
    """The recipe's distortions, weighted and added; a `Distortion` itself.

    Args:
        section: their weights.
        crop: side of the pictures in pixels.
        device: where LPIPS runs.

    Raises:
        UsageError: no distortion has a weight, or one of them needs larger crops or a file that is not named.
        WeightsError: the LPIPS weights cannot be used.
    """

    def __init__(self, section: LossSection, crop: int, device: torch.device | str = "cpu"):
        self.terms: list[tuple[float, Distortion]] = []
        if section.mse > 0:
            self.terms.append((section.mse, mse_255))
        if section.ms_ssim > 0:
            _need("MS-SSIM", similarity.MIN_SIDE, crop)
            self.terms.append((section.ms_ssim, ms_ssim_loss))
        if section.lpips > 0:
            _need("LPIPS", LPIPS_MIN_SIDE, crop)
            if not section.lpips_weights:
                raise UsageError("loss.lpips needs loss.lpips_weights, a safetensors file of LPIPS v0.1 AlexNet.")
            self.terms.append((section.lpips, load_lpips(section.lpips_weights).to(device)))
        if not self.terms:
            raise UsageError("The loss needs a positive weight of mse, ms_ssim or lpips.")

    def __call__(self, x: Tensor, target: Tensor) -> Tensor:
        return torch.stack([weight * term(x, target) for weight, term in self.terms]).sum(0)


class RateDistortion:
    """L = (lambda(q) / lambda(50))^-balance * (bpp + lambda(q) * distortion), one value per sample.

    Args:
        section: lambda's range and the mixture of distortions.
        crop, device: as for `Mixture`.

    Raises:
        UsageError, WeightsError: as `Mixture`.
    """

    def __init__(self, section: LossSection, crop: int, device: torch.device | str = "cpu"):
        self.section = section
        self.distortion = Mixture(section, crop, device)

    def multiplier(self, quality: Tensor) -> Tensor:
        """lambda at a quality in [0, 100]."""
        span = math.log(self.section.high / self.section.low)
        return torch.exp(quality * (span / 100.0)).mul(self.section.low)

    def __call__(
        self, x: Tensor, target: Tensor, bpp: Tensor, quality: Tensor, further: Tensor | None = None
    ) -> Tensor:
        """Loss of each sample.

        Args:
            x, target: float32 (B, 3, H, W), nominally in [0, 1].
            bpp: bits per pixel, (B,).
            quality: (B,) in [0, 100].
            further: (B,), added to the distortion, such as what a discriminator says of x.
        """
        multiplier = self.multiplier(quality)
        distortion = self.distortion(x, target)
        if further is not None:
            distortion = distortion + further
        middle = (self.section.low * self.section.high) ** 0.5
        return torch.pow(multiplier / middle, -self.section.balance) * (bpp + multiplier * distortion)


def _need(name: str, side: int, crop: int) -> None:
    if crop < side:
        raise UsageError(f"{name} in the loss needs crops of at least {side} pixels, not {crop}.")
