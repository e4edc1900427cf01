"""Rate-distortion losses, per sample."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.errors import ContractError, UsageError
from codectk.metrics.lpips import MIN_SIDE as LPIPS_MIN_SIDE
from codectk.metrics.lpips import load_lpips
from codectk.metrics.ms_ssim import MS_SSIM_MIN_SIDE
from codectk.metrics.ms_ssim_torch import ms_ssim
from codectk.nn.quantize import clamp_ste
from codectk.nn.tradeoff import multiplier
from codectk.plugins import manager
from codectk.train.settings import LossSection

Distortion = Callable[[Tensor, Tensor], Tensor]
"""(reconstruction, original), float32 (B, 3, H, W), nominally in [0, 1] -> (B,)."""


def mse_255(x: Tensor, target: Tensor) -> Tensor:
    """Mean squared error on the 0..255 scale, (B,)."""
    return (x - target).square().mean((1, 2, 3)) * 255.0**2


def ms_ssim_loss(x: Tensor, target: Tensor) -> Tensor:
    """1 - MS-SSIM, (B,) in 0..1."""
    return 1 - ms_ssim(x, target)


XYB = ((0.30, 0.622, 0.078), (0.23, 0.692, 0.078), (0.24342268, 0.20476744, 0.55180988))
"""Linear sRGB to the three receptors of JPEG XL's color space (ISO/IEC 18181-1, annex L)."""
XYB_BIAS = 0.0037930733


def opponent(x: Tensor) -> Tensor:
    """A picture as the eye's channels: red against green, brightness, blue against yellow, each within 0..1.

    JPEG XL's XYB, with X 14 times as large and blue less brightness, so that the three vary about as much.

    Args:
        x: float32 (B, 3, H, W), nominally in [0, 1].
    """
    x = clamp_ste(x, 0.0, 1.0)
    linear = torch.where(x > 0.04045, ((x.clamp_min(0.04045) + 0.055) / 1.055) ** 2.4, x / 12.92)
    receptors = torch.einsum("rc,bchw->rbhw", x.new_tensor(XYB), linear)
    long, middle, short = torch.pow(receptors + XYB_BIAS, 1 / 3) - XYB_BIAS ** (1 / 3)
    y = (long + middle) / 2
    return torch.stack([7 * (long - middle) + 0.42, y, short - y + 0.55], 1)


def eye_loss(x: Tensor, target: Tensor) -> Tensor:
    """1 - MS-SSIM of the eye's channels, (B,) in 0..1."""
    return 1 - ms_ssim(opponent(x), opponent(target))


class Mixture:
    """The recipe's distortions, weighted and added; a `Distortion` itself.

    Args:
        section: their weights.
        crop: side of the pictures in pixels.
        device: where LPIPS runs.

    Raises:
        UsageError: no distortion has a weight, or one of them needs larger crops or a file that is not named, or there
            is no such component.
        WeightsError: the LPIPS weights cannot be used.
        PluginError, ContractError: a component cannot be built, or is no loss.
    """

    def __init__(self, section: LossSection, crop: int, device: torch.device | str = "cpu"):
        self.terms: list[tuple[float, Distortion]] = []
        if section.mse > 0:
            self.terms.append((section.mse, mse_255))
        if section.ms_ssim > 0:
            _need("MS-SSIM", MS_SSIM_MIN_SIDE, crop)
            self.terms.append((section.ms_ssim, ms_ssim_loss))
        if section.eye > 0:
            _need("The eye's loss", MS_SSIM_MIN_SIDE, crop)
            self.terms.append((section.eye, eye_loss))
        if section.lpips > 0:
            _need("LPIPS", LPIPS_MIN_SIDE, crop)
            if not section.lpips_weights:
                raise UsageError("loss.lpips needs loss.lpips_weights, a safetensors file of LPIPS v0.1 AlexNet.")
            self.terms.append((section.lpips, load_lpips(section.lpips_weights).to(device)))
        for name, settings in section.components.items():
            weight, loss = _component(name, settings, crop, device)
            if weight > 0:
                self.terms.append((weight, loss))
        if not self.terms:
            raise UsageError("The loss needs a positive weight of mse, ms_ssim, eye, lpips or a component.")

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
        s = self.section
        return multiplier(quality, s.low, s.high, s.top, s.knee)

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


def _component(
    name: str, settings: Mapping[str, Any], crop: int, device: torch.device | str
) -> tuple[float, Distortion]:
    """Weight and distortion of a plugin's loss, checked where it is called."""
    if unknown := sorted(set(settings) - {"weight", "options"}):
        raise UsageError(f"loss.components.{name}: unknown key '{unknown[0]}'; keys are weight, options.")
    weight, options = settings.get("weight", 1.0), settings.get("options", {})
    if type(weight) not in (int, float) or not 0 <= weight < math.inf or not isinstance(options, Mapping):
        raise UsageError(f"loss.components.{name} must have a weight of at least 0 and a table of options.")
    loss = manager.component("loss", name, options)
    if not callable(loss):
        raise ContractError(f"Loss '{name}' cannot be called: it is a {type(loss).__name__}.")
    _need(f"Component '{name}'", getattr(loss, "min_side", 1), crop)
    if isinstance(loss, nn.Module):
        loss = loss.to(device).eval().requires_grad_(False)

    def checked(x: Tensor, target: Tensor) -> Tensor:
        value = loss(x, target)
        if not isinstance(value, Tensor) or value.shape != x.shape[:1]:
            shape = tuple(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise ContractError(f"Loss '{name}' must give one value per sample, ({len(x)},), not {shape}.")
        return value.float()

    return float(weight), checked


def _need(name: str, side: int, crop: int) -> None:
    if crop < side:
        raise UsageError(f"{name} in the loss needs crops of at least {side} pixels, not {crop}.")
