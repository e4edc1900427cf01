"""Blocks that several codecs share."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.nn.quantize import clamp_ste

PEDESTAL = 2.0**-36
BETA_MIN = 1e-6


class GDN(nn.Module):
    """Generalized divisive normalization y_i = x_i / sqrt(beta_i + sum_j gamma_ij x_j^2), or its inverse.

    Source: Ballé et al. 2016, "Density Modeling of Images using a Generalized Normalization Transformation", with
    the square-root reparametrization used by its reference implementation.

    Args:
        channels: channels of the (B, C, H, W) input.
        inverse: multiply by the root instead of dividing.
    """

    def __init__(self, channels: int, inverse: bool = False):
        super().__init__()
        self.inverse = inverse
        self.beta = nn.Parameter(torch.sqrt(torch.ones(channels) + PEDESTAL))
        self.gamma = nn.Parameter(torch.sqrt(0.1 * torch.eye(channels) + PEDESTAL))

    def forward(self, x: Tensor) -> Tensor:
        # A plain clamp would end the learning of a weight at its bound, and most of gamma starts there.
        beta = clamp_ste(self.beta, (BETA_MIN + PEDESTAL) ** 0.5, math.inf) ** 2 - PEDESTAL
        gamma = clamp_ste(self.gamma, PEDESTAL**0.5, math.inf) ** 2 - PEDESTAL
        norm = F.conv2d(x * x, gamma[:, :, None, None], beta)
        return x * (torch.sqrt(norm) if self.inverse else torch.rsqrt(norm))


def conv3x3(in_channels: int, out_channels: int, stride: int = 1) -> nn.Conv2d:
    """3x3 convolution with padding 1."""
    return nn.Conv2d(in_channels, out_channels, 3, stride, 1)


def subpixel(in_channels: int, out_channels: int, kernel: int = 3) -> nn.Sequential:
    """Upsampling by two: convolution to four times the channels, then pixel shuffle."""
    return nn.Sequential(nn.Conv2d(in_channels, 4 * out_channels, kernel, 1, kernel // 2), nn.PixelShuffle(2))
