"""RAT, the region-adaptive transform, in float and in integers.

u = CTL(f)                           two 1x1 convolutions
K = DKG([u, E])                      one 3x3 depth-wise kernel per position and channel; E: region prototypes
v[c, p] = sum_t K[c, t, p] u[c, p+t] dynamic depth-wise convolution
out = conv_out(v * CAG(v)) + f       CAG: channel gate from the global average
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.nn.exact import (
    ACTIVATION_MAX,
    ExactConv2d,
    ExactTable,
    exact_mean,
    requantize,
)
from codectk.nn.quantize import clamp_ste
from codectk.programs.slices import BITS


def dynamic_depthwise(u: Tensor, kernels: Tensor) -> Tensor:
    """Nine shifted multiply-adds; zero padding 1.

    Args:
        u: (B, C, H, W).
        kernels: (B, C * 9, H, W), channel-major, tap-minor.

    Returns:
        (B, C, H, W). An unfold or einsum would build a 9x copy (spec-segpic section 7, defect 8).
    """
    batch, channels, height, width = u.shape
    padded = F.pad(u, (1, 1, 1, 1))
    shifted = (padded[:, :, dy : dy + height, dx : dx + width] for dy in range(3) for dx in range(3))
    # unbind, not indexing: its backward writes one gradient instead of nine full-size ones.
    taps = kernels.view(batch, channels, 9, height, width).unbind(2)
    total = torch.zeros_like(u)
    for neighbor, tap in zip(shifted, taps, strict=True):
        total = total + neighbor * tap
    return total


class RAT(nn.Module):
    """Float RAT.

    Args:
        channels: width C of the feature.
        prototypes: width of the decoded prototypes.
        mid: width between `conv` and `conv_out`.
    """

    def __init__(self, channels: int, prototypes: int, mid: int):
        super().__init__()
        leaky = nn.LeakyReLU(0.1)
        self.conv = nn.Sequential(nn.Conv2d(channels, mid, 1), leaky, nn.Conv2d(mid, mid, 1))
        self.k_sp_gen = nn.Sequential(
            nn.Conv2d(mid + prototypes, mid, 1),
            leaky,
            nn.Conv2d(mid, mid, 3, 1, 1),
            leaky,
            nn.Conv2d(mid, mid * 9, 3, 1, 1, groups=mid),
        )
        self.k_ch_gen = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(mid, mid, 1), leaky, nn.Conv2d(mid, mid, 1), nn.Sigmoid()
        )
        self.conv_out = nn.Conv2d(mid, channels, 1)

    def forward(self, feature: Tensor, expanded: Tensor) -> Tensor:
        """feature (B, C, h, w), expanded prototypes (B, P, h, w) -> (B, C, h, w)."""
        u = self.conv(feature)
        v = dynamic_depthwise(u, self.k_sp_gen(torch.cat([u, expanded.to(u.dtype)], 1)))
        return self.conv_out(v * self.k_ch_gen(v)) + feature


class NoRAT(nn.Module):
    """The feature as it is, for an ablation."""

    def forward(self, feature: Tensor, expanded: Tensor) -> Tensor:
        return feature


class ExactRAT(nn.Module):
    """RAT on integers: dynamic kernels carry 8 fractional bits, the gate is a table of 8-bit sigmoids.

    9 * 1023 * 1023 < 2**24 bounds the dynamic convolution, 1023 * 256 the gate.
    """

    KERNEL_BITS = 8
    GATE_BITS = 8

    def __init__(self, channels: int, prototypes: int, mid: int):
        super().__init__()
        self.conv = nn.Sequential(ExactConv2d(channels, mid, 1, leaky=True), ExactConv2d(mid, mid, 1))
        self.k_sp_gen = nn.Sequential(
            ExactConv2d(mid + prototypes, mid, 1, leaky=True),
            ExactConv2d(mid, mid, 3, leaky=True),
            ExactConv2d(mid, mid * 9, 3, groups=mid, out_bits=self.KERNEL_BITS),
        )
        self.k_ch_gen = nn.Sequential(
            ExactConv2d(mid, mid, 1, leaky=True),
            ExactConv2d(mid, mid, 1),
            ExactTable(torch.sigmoid, in_bits=BITS, in_max=511, out_bits=self.GATE_BITS),
        )
        self.conv_out = ExactConv2d(mid, channels, 1)

    def forward(self, feature: Tensor, expanded: Tensor) -> Tensor:
        """Integers in, integers out; shapes as in `RAT`."""
        u = self.conv(feature)
        v = requantize(dynamic_depthwise(u, self.k_sp_gen(torch.cat([u, expanded], 1))), -self.KERNEL_BITS)
        v = requantize(v * self.k_ch_gen(exact_mean(v)), -self.GATE_BITS)
        return clamp_ste(self.conv_out(v) + feature, -ACTIVATION_MAX, ACTIVATION_MAX)
