"""MobileStyleGAN: a small generator distilled from StyleGAN2.

Source: Belousov 2021, "MobileStyleGAN: A Lightweight Convolutional Neural Network for High-Fidelity Image Synthesis".
Demodulation does not depend on the style and lies in the weights already; noise is a stored map per convolution.

Tensors (C input, D output channels; r = 8, 16, ... up to half the picture's side):

    mapping.{i}.weight (dim, dim), .bias (dim)           equalized-rate factors are inside
    const (1, C, 4, 4)
    conv4.style.weight (C, dim), .style.bias (C), .weight (D, C, 3, 3), .noise (1, 1, 4, 4), .bias (D)
    b{r}.up.style.weight (4 G, dim), .style.bias (4 G)
    b{r}.conv{1,2}.style.*, .depthwise (C, 1, 3, 3), .pointwise (D, C, 1, 1), .noise (1, 1, r, r), .bias (D)
    img{2r}.style.weight (C, dim), .style.bias (C), .weight (12, C, 1, 1), .bias (12)
    w_mean (dim)
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk_hsc.generators.arrays import MEAN, frozen, leading
from codectk_hsc.generators.interface import NARROW, check_cut, check_feature, check_onward, reduced, slots_before, wide

SLOPE = 0.2


class MappingNetwork(nn.ModuleList):
    """z -> w."""

    def __init__(self, dim: int, depth: int):
        super().__init__(nn.Linear(dim, dim) for _ in range(depth))

    def forward(self, z: Tensor) -> Tensor:
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self:
            x = F.leaky_relu(layer(x), SLOPE) * math.sqrt(2)
        return x


class Modulation(nn.Module):
    """Multiplies channels by gain * (A s + a). The gain of equalized rates is not in the stored weights."""

    def __init__(self, dim: int, channels: int, gain: float):
        super().__init__()
        self.style = nn.Linear(dim, channels)
        self.gain = gain

    def modulated(self, x: Tensor, style: Tensor) -> Tensor:
        """x (B, C, h, w), style (B, dim)."""
        return x * (self.style(style) * self.gain)[:, :, None, None]


class Convolution(Modulation):
    """What both kinds of convolution have: stored noise, bias, activation without a gain."""

    noise: Tensor

    def __init__(self, dim: int, channels: int, width: int, side: int):
        super().__init__(dim, channels, 1 / math.sqrt(9 * channels))
        self.bias = nn.Parameter(torch.empty(width))
        self.register_buffer("noise", torch.empty(1, 1, side, side))

    def activated(self, x: Tensor) -> Tensor:
        return F.leaky_relu_(x.add_(self.noise), SLOPE)


class Dense(Convolution):
    """The convolution at 4 pixels."""

    def __init__(self, dim: int, channels: int, width: int, side: int):
        super().__init__(dim, channels, width, side)
        self.weight = nn.Parameter(torch.empty(width, channels, 3, 3))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return self.activated(F.conv2d(self.modulated(x, style), self.weight, self.bias, padding=1))


class Separable(Convolution):
    """A depthwise and a pointwise convolution."""

    def __init__(self, dim: int, channels: int, width: int, side: int):
        super().__init__(dim, channels, width, side)
        self.depthwise = nn.Parameter(torch.empty(channels, 1, 3, 3))
        self.pointwise = nn.Parameter(torch.empty(width, channels, 1, 1))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        x = F.conv2d(self.modulated(x, style), self.depthwise, padding=1, groups=x.shape[1])
        return self.activated(F.conv2d(x, self.pointwise, self.bias))


class Up(Modulation):
    """Modulated inverse Haar step, (B, 4 G, h, w) -> (B, G, 2 h, 2 w)."""

    def __init__(self, dim: int, channels: int):
        super().__init__(dim, channels, 1.0)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return inverse_haar(self.modulated(x, style))


class Head(Modulation):
    """Haar bands of RGB from the last feature, then the picture in [-1, 1]."""

    def __init__(self, dim: int, channels: int):
        super().__init__(dim, channels, 1 / math.sqrt(channels))
        self.weight = nn.Parameter(torch.empty(12, channels, 1, 1))
        self.bias = nn.Parameter(torch.empty(12))

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return inverse_haar(F.conv2d(self.modulated(x, style), self.weight, self.bias))


class Block(nn.Module):
    """One doubling of the resolution; takes the styles of two slots."""

    def __init__(self, dim: int, channels: int, width: int, side: int):
        super().__init__()
        self.up = Up(dim, channels)
        self.conv1 = Separable(dim, channels // 4, width, side)
        self.conv2 = Separable(dim, width, width, side)

    def forward(self, x: Tensor, first: Tensor, second: Tensor) -> Tensor:
        return self.conv2(self.conv1(self.up(x, first), first), second)


class MobileStyleGAN(nn.Module):
    """See `interface.Generator`.

    Args:
        dim: length of a style code.
        depth: layers of the mapping network.
        channels: channels by resolution 4, 8, ...; the picture's side is twice the last.
    """

    kind = "mobilestylegan"
    w_mean: Tensor

    def __init__(self, dim: int, depth: int, channels: Mapping[int, int]):
        super().__init__()
        self.dim, self.channels = dim, dict(channels)
        self.size = 2 * max(channels)
        self.slots = 2 * len(channels)
        self.mapping = MappingNetwork(dim, depth)
        self.const = nn.Parameter(torch.empty(1, channels[NARROW], NARROW, NARROW))
        self.conv4 = Dense(dim, channels[NARROW], channels[NARROW], NARROW)
        for before, side in itertools.pairwise(self.channels):
            self.add_module(f"b{side}", Block(dim, channels[before], channels[side], side))
        self.add_module(f"img{self.size}", Head(dim, channels[self.size // 2]))
        self.register_buffer(MEAN, torch.empty(dim))

    @property
    def mean(self) -> Tensor:
        return self.w_mean.expand(self.slots, -1)

    def styles(self, z: Tensor) -> Tensor:
        return self.mapping(z)

    def low(self, styles: Tensor, cut: int = 16) -> Tensor:
        check_cut(self.channels, cut)
        styles = wide(styles, self.slots, self.dim)
        x = self.conv4(self.const.expand(len(styles), -1, -1, -1), styles[:, 0])
        return self._blocks(x, styles, cut)

    def onward(self, feature: Tensor, styles: Tensor, cut: int) -> Tensor:
        check_onward(self.channels, feature, cut)
        return self._blocks(feature, wide(styles, self.slots, self.dim), cut)

    def high(self, feature: Tensor, styles: Tensor, size: int | None = None) -> Tensor:
        check_feature(self.channels, feature)
        styles = wide(styles, self.slots, self.dim)
        x = self._blocks(feature, styles, self.size // 2)
        return reduced(self.get_submodule(f"img{self.size}")(x, styles[:, -1]) * 0.5 + 0.5, size)

    def picture(self, styles: Tensor, size: int | None = None) -> Tensor:
        return self.high(self.low(styles, NARROW), styles, size)

    def _blocks(self, x: Tensor, styles: Tensor, cut: int) -> Tensor:
        while (side := 2 * x.shape[-1]) <= cut:
            slot = slots_before(side // 2)
            x = self.get_submodule(f"b{side}")(x, styles[:, slot], styles[:, slot + 1])
        return x


def inverse_haar(x: Tensor) -> Tensor:
    """(B, 4 G, h, w) -> (B, G, 2 h, 2 w).

    Channels 0..G-1 are the low band; G + 3 g + (0, 1, 2) are channel g's bands with detail from row to row, from
    column to column, and both.
    """
    groups = x.shape[1] // 4
    low = x[:, :groups]
    rows, columns, both = (x[:, groups + band :: 3] for band in range(3))
    top, bottom, sum_, difference = low + rows, low - rows, columns + both, columns - both
    patch = torch.stack((top + sum_, top - sum_, bottom + difference, bottom - difference), 2)
    return F.pixel_shuffle(patch.flatten(1, 2) * 0.5, 2)


def from_arrays(arrays: Mapping[str, np.ndarray], where: str) -> MobileStyleGAN:
    """Build the network whose widths the arrays have.

    Args:
        arrays: by the names above.
        where: how to call the file in messages.

    Raises:
        WeightsError: a tensor is missing, superfluous, of another shape or not finite.
    """
    channels = {NARROW: leading(arrays, "const", 4, where)[1]}
    while f"b{(side := 2 * max(channels))}.conv2.pointwise" in arrays:
        channels[side] = leading(arrays, f"b{side}.conv2.pointwise", 4, where)[0]
    depth = 0
    while f"mapping.{depth}.weight" in arrays:
        depth += 1
    dim = leading(arrays, MEAN, 1, where)[0]
    with torch.device("meta"):
        network = MobileStyleGAN(dim, depth, channels)
    return frozen(network, arrays, where)
