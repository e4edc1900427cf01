"""MS-SSIM on tensors, differentiable: the same numbers as `metrics.ms_ssim`.

Source: Wang, Simoncelli, Bovik 2003, "Multi-scale structural similarity for image quality assessment"; 11-tap Gaussian
window of sigma 1.5, valid convolutions, five scales, 2x2 means between them.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from codectk.metrics.ms_ssim import SCALE_WEIGHTS
from codectk.nn.quantize import clamp_ste

C1, C2 = 0.01**2, 0.03**2

FLOOR = 1e-3
"""Terms below are raised to it. The metric sets negative terms to 0, where the power has an infinite slope."""


def ms_ssim(x: Tensor, target: Tensor) -> Tensor:
    """Similarity of each picture of a batch, mean of its channels.

    Args:
        x, target: float32 (B, 3, H, W), nominally in [0, 1], sides at least `MS_SSIM_MIN_SIDE` pixels.

    Returns:
        float32 (B,), 1 for equal pictures. Equal to the metric wherever no term of it is below `FLOOR`.
    """
    product = torch.ones(x.shape[:2], dtype=x.dtype, device=x.device)
    for scale, weight in enumerate(SCALE_WEIGHTS):
        ssim, contrast = _terms(x, target)
        last = scale == len(SCALE_WEIGHTS) - 1
        product = product * clamp_ste(ssim if last else contrast, FLOOR, 1.0) ** weight
        if not last:
            x, target = _halve(x), _halve(target)
    return product.mean(1)


def _terms(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """Means (B, C) of SSIM and of its contrast-structure factor."""
    x, y = x - 0.5, y - 0.5  # small second moments lose less in float32 when the means are subtracted
    mean_x, mean_y = _blur(x), _blur(y)
    variances = _blur(x * x + y * y) - mean_x * mean_x - mean_y * mean_y
    covariance = _blur(x * y) - mean_x * mean_y
    contrast = (2 * covariance + C2) / (variances + C2)
    mean_x, mean_y = mean_x + 0.5, mean_y + 0.5
    ssim = contrast * (2 * mean_x * mean_y + C1) / (mean_x * mean_x + mean_y * mean_y + C1)
    return ssim.mean((2, 3)), contrast.mean((2, 3))


def _blur(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, H - 10, W - 10)."""
    taps = torch.exp(-((torch.arange(11, dtype=x.dtype, device=x.device) - 5) ** 2) / (2 * 1.5**2))
    taps = (taps / taps.sum()).view(1, 1, 11)
    channels = x.shape[1]
    x = F.conv2d(x, taps.view(1, 1, 11, 1).expand(channels, 1, 11, 1), groups=channels)
    return F.conv2d(x, taps.view(1, 1, 1, 11).expand(channels, 1, 1, 11), groups=channels)


def _halve(x: Tensor) -> Tensor:
    """2x2 mean; an odd side is first extended by one line of zeros in front."""
    return F.avg_pool2d(F.pad(x, (x.shape[3] % 2, 0, x.shape[2] % 2, 0)), 2)
