"""What happens to photos before they reach a codec: the encoder is to see through it, so its targets stay the same."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

TURN, SHIFT, ZOOM = 2.0, 0.015, 0.02
"""Most degrees, share of the side, and share of the scale by which alignment may be off."""

REDUCED = 4.0
"""Pictures are reduced by up to this factor and enlarged again."""

NOISE, TINT = 0.04, 0.04
"""Largest standard deviation of noise, and largest change of a channel's gain."""


def degrade(x: Tensor) -> Tensor:
    """Misaligned, blurred, tinted and noisy pictures, each in its own way; draws come from torch's global generator.

    Args:
        x: float32 (B, 3, n, n) in [0, 1].

    Returns:
        The same shape and range.
    """
    batch, side = len(x), x.shape[-1]
    draws = torch.rand(batch, 8)
    angle = (2 * draws[:, 0] - 1) * math.radians(TURN)
    scale = 1 + (2 * draws[:, 1] - 1) * ZOOM
    shift = (2 * draws[:, 2:4] - 1) * 2 * SHIFT
    turn = torch.stack([angle.cos(), -angle.sin(), angle.sin(), angle.cos()], 1).view(-1, 2, 2) * scale.view(-1, 1, 1)
    grid = F.affine_grid(torch.cat([turn, shift[:, :, None]], 2).to(x.device), list(x.shape), align_corners=False)
    x = F.grid_sample(x, grid, padding_mode="reflection", align_corners=False)
    parts = []
    for picture, keep, factor in zip(x.split(1), draws[:, 4].tolist(), draws[:, 5].tolist(), strict=True):
        if keep < 0.5:
            small = round(side * REDUCED**-factor)
            picture = F.interpolate(picture, (small, small), mode="bilinear", antialias=True, align_corners=False)
            picture = F.interpolate(picture, (side, side), mode="bilinear", align_corners=False)
        parts.append(picture)
    x = torch.cat(parts)
    x = x * (1 + (2 * torch.rand(batch, 3, 1, 1) - 1) * TINT).to(x.device)
    sigma = NOISE * (draws[:, 6] * (draws[:, 7] < 0.5)).view(-1, 1, 1, 1)
    return (x + (sigma * torch.randn(x.shape)).to(x.device)).clamp(0, 1)
