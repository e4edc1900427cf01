"""Normalized convolutions, and their exact one-step forms next to a change of resolution by two."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm, weight_norm

from codectk.base.errors import UsageError

NORMS = ("weight", "spectral", "none")


class Conv(nn.Conv2d):
    """A convolution whose kernel is made in float32 even inside autocast: bfloat16 norms would be 1 % off."""

    def kernel(self) -> Tensor:
        """The normalized kernel, (out, in, k, k)."""
        with torch.autocast(self.bias.device.type, enabled=False):  # type: ignore[union-attr]
            return self.weight

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(x, self.kernel(), self.bias, self.stride, self.padding)

    def then_halve(self, x: Tensor) -> Tensor:
        """The convolution (3x3, padding 1), then 2x2 mean pooling: one 4x4 convolution with stride 2."""
        return F.conv2d(x, _spread(self.kernel()) / 4, self.bias, stride=2, padding=1)

    def of_doubled(self, x: Tensor) -> Tensor:
        """The convolution (3x3, padding 1) of `x` upsampled by repetition: one transposed 4x4 convolution."""
        kernel = _spread(self.kernel().flip(2, 3)).transpose(0, 1)
        return F.conv_transpose2d(x, kernel, self.bias, stride=2, padding=1)


def _spread(kernel: Tensor) -> Tensor:
    """Each tap on a square of 2x2: (O, I, 3, 3) -> (O, I, 4, 4)."""
    return 4 * F.avg_pool2d(F.pad(kernel, (1, 1, 1, 1)), 2, 1)


def conv(in_channels: int, out_channels: int, kernel: int = 3, stride: int = 1, norm: str = "weight") -> Conv:
    """A convolution with a bias, padded so that stride 1 and an odd kernel keep the size.

    Raises:
        UsageError: the norm is not one of `NORMS`.
    """
    if norm not in NORMS:
        raise UsageError(f"norm must be one of {', '.join(NORMS)}, not {norm!r}.")
    layer = Conv(in_channels, out_channels, kernel, stride, (kernel - 1) // 2)
    if norm == "weight":
        weight_norm(layer)
    elif norm == "spectral":
        spectral_norm(layer)
    return layer


def repeated(x: Tensor, factor: int) -> Tensor:
    """Upsampling by repetition."""
    return F.interpolate(x, scale_factor=float(factor), mode="nearest") if factor > 1 else x
