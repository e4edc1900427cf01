"""StyleGAN2 in plain torch operations, with tensors named as in the wide-spread PyTorch reimplementation.

Source: Karras et al. 2020, "Analyzing and Improving the Image Quality of StyleGAN", sections 2 and 4 (skip generator).

Tensors (C input, D output channels; j = 0, 1, ... for 8, 16, ... pixels):

    style.{1..}.weight (dim, dim), .bias (dim)                   raw; equalized-rate factors are applied here
    input.input (1, C, 4, 4)
    conv1.* at 4 pixels, convs.{2j}.* (doubles the resolution), convs.{2j+1}.*, each with
        conv.weight (1, D, C, 3, 3), conv.modulation.weight (C, dim), .bias (C), noise.weight (1), activate.bias (D)
    to_rgb1.*, to_rgbs.{j}.*, each with conv.weight (1, 3, C, 1, 1), conv.modulation.*, bias (1, 3, 1, 1)
    noises.noise_{0..} (1, 1, r, r)
    mean (slots, dim)                                            called latent_avg in checkpoints
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.errors import UsageError
from codectk_hsc.generators.interface import NARROW, check_cut, check_feature, check_onward, reduced, slots_before, wide

SLOPE = 0.2
MAPPING_RATE = 0.01
FIR = (1.0, 3.0, 3.0, 1.0)
"""The one filter of the published networks."""


class Linear(nn.Module):
    """Fully connected with an equalized rate."""

    def __init__(self, channels: int, width: int, rate: float = 1.0):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(width, channels))
        self.bias = nn.Parameter(torch.empty(width))
        self.rate, self.scale = rate, rate / math.sqrt(channels)

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale, self.bias * self.rate)


class MappingNetwork(nn.Module):
    """z -> w. Layer 0 is the normalization, so that the others are numbered from 1."""

    def __init__(self, dim: int, depth: int):
        super().__init__()
        for number in range(1, depth + 1):
            self.add_module(str(number), Linear(dim, dim, MAPPING_RATE))

    def forward(self, z: Tensor) -> Tensor:
        x = z * torch.rsqrt(z.square().mean(1, keepdim=True) + 1e-8)
        for layer in self.children():
            x = F.leaky_relu(layer(x), SLOPE) * math.sqrt(2)
        return x


class Modulated(nn.Module):
    """Convolution whose input channels a style scales.

    The style multiplies the feature instead of the weights: the same function, and one convolution for the batch.
    """

    def __init__(self, dim: int, channels: int, width: int, kernel: int):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1, width, channels, kernel, kernel))
        self.modulation = Linear(dim, channels)
        self.scale = 1 / math.sqrt(channels * kernel**2)

    def forward(self, x: Tensor, style: Tensor, *, demodulate: bool, up: bool = False) -> Tensor:
        factors = self.modulation(style)
        weight = self.weight[0] * self.scale
        x = x * factors[:, :, None, None]
        if up:
            x = smoothed(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        else:
            x = F.conv2d(x, weight, padding=weight.shape[-1] // 2)
        if not demodulate:
            return x
        energy = factors.square() @ weight.square().sum((2, 3)).T
        return x * torch.rsqrt(energy + 1e-8)[:, :, None, None]


class Strength(nn.Module):
    """How much of the stored noise a layer takes."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(1))


class Activation(nn.Module):
    """Bias and leaky ReLU with the gain that keeps the variance."""

    def __init__(self, width: int):
        super().__init__()
        self.bias = nn.Parameter(torch.empty(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x + self.bias.view(1, -1, 1, 1), SLOPE) * math.sqrt(2)


class Layer(nn.Module):
    """Modulated 3x3 convolution, noise, activation; may double the resolution."""

    def __init__(self, dim: int, channels: int, width: int, *, up: bool):
        super().__init__()
        self.conv = Modulated(dim, channels, width, 3)
        self.noise = Strength()
        self.activate = Activation(width)
        self.up = up

    def forward(self, x: Tensor, style: Tensor, noise: Tensor) -> Tensor:
        x = self.conv(x, style, demodulate=True, up=self.up)
        return self.activate(x + self.noise.weight * noise)


class ToRGB(nn.Module):
    """A layer's part of the picture, added to the enlarged parts of the layers before."""

    def __init__(self, dim: int, channels: int):
        super().__init__()
        self.conv = Modulated(dim, channels, 3, 1)
        self.bias = nn.Parameter(torch.empty(1, 3, 1, 1))

    def forward(self, x: Tensor, style: Tensor, skip: Tensor | None = None) -> Tensor:
        x = self.conv(x, style, demodulate=False) + self.bias
        return x if skip is None else x + enlarged(skip)


class Constant(nn.Module):
    """The learned constant under its name `input.input`."""

    def __init__(self, channels: int):
        super().__init__()
        self.input = nn.Parameter(torch.empty(1, channels, NARROW, NARROW))


class StyleGAN2(nn.Module):
    """See `interface.Generator`.

    The picture is a sum over resolutions, and its coarse part comes from the styles alone: `high` runs the coarse
    layers again for it, whatever the feature is.

    Args:
        dim: length of a style code.
        depth: layers of the mapping network.
        channels: channels by resolution 4, 8, ...; the last is the picture's.
    """

    kind = "stylegan2"
    mean: Tensor

    def __init__(self, dim: int, depth: int, channels: Mapping[int, int]):
        super().__init__()
        self.dim, self.size, self.slots = dim, max(channels), 2 * len(channels)
        # The last feature is of no use as a cut: nothing but the last part of the picture comes behind it.
        self.channels = {side: width for side, width in channels.items() if side < self.size}
        self.style = MappingNetwork(dim, depth)
        self.input = Constant(channels[NARROW])
        self.conv1 = Layer(dim, channels[NARROW], channels[NARROW], up=False)
        self.to_rgb1 = ToRGB(dim, channels[NARROW])
        self.convs, self.to_rgbs = nn.ModuleList(), nn.ModuleList()
        self.noises = nn.Module()
        self.noises.register_buffer("noise_0", torch.empty(1, 1, NARROW, NARROW))
        for side in list(channels)[1:]:
            for before, up in ((channels[side // 2], True), (channels[side], False)):
                self.convs.append(Layer(dim, before, channels[side], up=up))
                self.noises.register_buffer(f"noise_{len(self.convs)}", torch.empty(1, 1, side, side))
            self.to_rgbs.append(ToRGB(dim, channels[side]))
        self.register_buffer("mean", torch.empty(self.slots, dim))

    def styles(self, z: Tensor) -> Tensor:
        return self.style(z)

    def low(self, styles: Tensor, cut: int = 16) -> Tensor:
        check_cut(self.channels, cut)
        return self._coarse(wide(styles, self.slots, self.dim), cut)[0]

    def onward(self, feature: Tensor, styles: Tensor, cut: int) -> Tensor:
        check_onward(self.channels, feature, cut)
        styles = wide(styles, self.slots, self.dim)
        while feature.shape[-1] < cut:
            feature = self._doubled(feature, styles)
        return feature

    def high(self, feature: Tensor, styles: Tensor, size: int | None = None) -> Tensor:
        cut = check_feature(self.channels, feature)
        styles = wide(styles, self.slots, self.dim)
        _, skip = self._coarse(styles, cut)
        return self._fine(feature, skip, styles, size)

    def picture(self, styles: Tensor, size: int | None = None) -> Tensor:
        styles = wide(styles, self.slots, self.dim)
        return self._fine(*self._coarse(styles, NARROW), styles, size)

    def _coarse(self, styles: Tensor, cut: int) -> tuple[Tensor, Tensor]:
        """Feature at the cut, and the picture's part up to there."""
        x = self.input.input.expand(len(styles), -1, -1, -1)
        x = self.conv1(x, styles[:, 0], self.noises.noise_0)
        return self._doublings(x, self.to_rgb1(x, styles[:, 1]), styles, cut)

    def _fine(self, x: Tensor, skip: Tensor, styles: Tensor, size: int | None) -> Tensor:
        _, picture = self._doublings(x, skip, styles, self.size)
        return reduced(picture * 0.5 + 0.5, size)

    def _doublings(self, x: Tensor, skip: Tensor, styles: Tensor, side: int) -> tuple[Tensor, Tensor]:
        while x.shape[-1] < side:
            x = self._doubled(x, styles)
            slot = slots_before(x.shape[-1])
            skip = self.to_rgbs[(slot - 3) // 2](x, styles[:, slot], skip)
        return x, skip

    def _doubled(self, x: Tensor, styles: Tensor) -> Tensor:
        slot = slots_before(x.shape[-1])
        for number in (slot - 1, slot):  # slot 0 is conv1's, and the two after it are convs.0 and .1
            noise = getattr(self.noises, f"noise_{number + 1}")
            x = self.convs[number](x, styles[:, number + 1], noise)
        return x


def _fir(x: Tensor) -> Tensor:
    """The filter for every channel of x, with the gain that makes up for inserted zeros."""
    row = torch.tensor(FIR, dtype=x.dtype, device=x.device)
    kernel = torch.outer(row, row) * (4 / row.sum() ** 2)
    return kernel.expand(x.shape[1], 1, -1, -1)


def smoothed(x: Tensor) -> Tensor:
    """(B, C, n + 1, n + 1) -> (B, C, n, n), behind a transposed convolution with stride 2."""
    return F.conv2d(x, _fir(x), padding=1, groups=x.shape[1])


def enlarged(x: Tensor) -> Tensor:
    """(B, C, n, n) -> (B, C, 2 n, 2 n)."""
    return F.conv_transpose2d(x, _fir(x), stride=2, padding=1, groups=x.shape[1])


def widths(size: int, multiplier: int = 2) -> dict[int, int]:
    """Channels by resolution of the published networks.

    Args:
        size: side of the picture, a power of two from 8 to 1024.
        multiplier: 2 for the usual networks, 1 for the small 256-pixel one.

    Raises:
        UsageError: another size.
    """
    if size & (size - 1) or not 8 <= size <= 1024:
        raise UsageError(f"There is no StyleGAN2 of {size} pixels; sizes are powers of two from 8 to 1024.")
    sides = [1 << power for power in range(2, size.bit_length())]
    return {side: min(512, 16384 * multiplier // side) for side in sides}
