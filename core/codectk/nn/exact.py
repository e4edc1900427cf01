"""Integer arithmetic carried in float32: the layers that may feed an entropy coder.

Every activation is an integer held in a float32 tensor, every weight an integer in [-127, 127], and every
accumulation stays below 2**24 in absolute value, whatever the order of summation. Such sums are exact in
float32, so the results are the same bits on any device, thread count and memory layout.

    real value = integer * 2**-bits          (a layer's `in_bits` / `out_bits`)

The same code runs in training: integers are then made from real weights with straight-through rounding, so a
trained network and its export compute the same numbers. `freeze` turns real weights into stored integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.errors import WeightsError
from codectk.nn.quantize import clamp_ste, round_ste

BITS = 6
"""Default fractional bits of activations."""
ACTIVATION_MAX = 1023
"""Default bound of integer activations."""
WEIGHT_MAX = 127
ACCUMULATOR_LIMIT = 2**24
LEAK = 0.125
"""Slope of the leaky ReLU for negative inputs; a power of two keeps it exact."""


@contextmanager
def exact_math(device: torch.device | str = "cpu") -> Iterator[None]:
    """Switch off everything that may leave float32: autocast, TF32, bfloat16 shortcuts, algorithm search."""
    precision = torch.get_float32_matmul_precision()
    kind = torch.device(device).type
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.autocast(kind, enabled=False),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)


def exact_conv2d(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    """Convolution of integers in float32 that never leaves the integers.

    On the CPU the direct algorithm is used anyway; elsewhere a library may pick Winograd or FFT, which are not
    exact, so the convolution is written as a matrix product of unfolded patches.
    """
    if x.device.type == "cpu":
        return F.conv2d(x, weight, bias, stride, padding, 1, groups)
    out_channels, _, kh, kw = weight.shape
    height = (x.shape[2] + 2 * padding - kh) // stride + 1
    width = (x.shape[3] + 2 * padding - kw) // stride + 1
    patches = F.unfold(x, (kh, kw), padding=padding, stride=stride)  # (B, C*kh*kw, L)
    patches = patches.reshape(x.shape[0], groups, -1, height * width)
    product = torch.matmul(weight.reshape(groups, out_channels // groups, -1), patches)
    return product.reshape(x.shape[0], out_channels, height, width) + bias.view(1, -1, 1, 1)


class ExactConv2d(nn.Module):
    """Convolution, nonlinearity and re-quantization on integers.

    Args:
        in_channels, out_channels, kernel, stride, groups: as in `nn.Conv2d`; padding is kernel // 2.
        in_bits, out_bits: fractional bits of input and output integers.
        in_max: bound of |input|, part of the exactness proof; the caller guarantees it.
        out_min, out_max: clamp of the output.
        leaky: apply a leaky ReLU (slope 1/8) before rounding.

    Shape: float32 integers (B, in_channels, H, W) -> float32 integers (B, out_channels, H', W').
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        *,
        in_bits: int = BITS,
        out_bits: int = BITS,
        in_max: int = ACTIVATION_MAX,
        out_min: int = -ACTIVATION_MAX,
        out_max: int = ACTIVATION_MAX,
        leaky: bool = False,
    ):
        super().__init__()
        reference = nn.Conv2d(in_channels, out_channels, kernel, groups=groups)
        self.weight: nn.Parameter | None = nn.Parameter(reference.weight.detach().clone())
        self.bias: nn.Parameter | None = nn.Parameter(torch.zeros(out_channels))
        self.stride, self.padding, self.groups = stride, kernel // 2, groups
        self.in_bits, self.out_bits, self.in_max = in_bits, out_bits, in_max
        self.out_min, self.out_max, self.leaky = out_min, out_max, leaky
        self.register_buffer("int_weight", None)
        self.register_buffer("int_bias", None)
        self.register_buffer("shift", None)

    def exponents(self) -> Tensor:
        """Largest exponent e per output channel for which weights * 2**e obey both bounds. int-valued (C,)."""
        assert self.weight is not None and self.bias is not None
        weight = self.weight.detach().flatten(1).abs().double()
        bias = self.bias.detach().abs().double()
        # |sum| <= in_max * (2**e * sum|w| + n/2 from rounding) + 2**(in_bits+e) |b| + 1/2
        room = ACCUMULATOR_LIMIT - 2 - self.in_max * weight.shape[1] / 2
        by_sum = room / (self.in_max * weight.sum(1) + bias * 2.0**self.in_bits + 1e-12)
        by_weight = (WEIGHT_MAX + 0.49) / (weight.amax(1) + 1e-12)
        return torch.floor(torch.log2(torch.minimum(by_sum, by_weight))).clamp(-20, 20)

    def integers(self) -> tuple[Tensor, Tensor, Tensor]:
        """Integer weight, integer bias and power-of-two output scale, each float32 and differentiable."""
        if self.int_weight is not None:
            return self.int_weight, self.int_bias, torch.exp2(self.shift)
        assert self.weight is not None and self.bias is not None
        exponent = self.exponents().to(self.weight.dtype)
        scale = torch.exp2(exponent)
        weight = round_ste(self.weight * scale.view(-1, 1, 1, 1))
        bias = round_ste(self.bias * scale * 2.0**self.in_bits)
        return weight, bias, torch.exp2(self.out_bits - self.in_bits - exponent)

    def forward(self, x: Tensor) -> Tensor:
        weight, bias, scale = self.integers()
        total = exact_conv2d(x, weight, bias, self.stride, self.padding, self.groups)
        y = total * scale.view(1, -1, 1, 1)
        if self.leaky:
            y = F.leaky_relu(y, LEAK)
        return clamp_ste(round_ste(y), self.out_min, self.out_max)

    @torch.no_grad()
    def freeze(self) -> None:
        """Replace the trainable weights by their integers."""
        weight, bias, scale = self.integers()
        self.install(weight, bias, torch.log2(scale))

    def install(self, weight: Tensor, bias: Tensor, shift: Tensor) -> None:
        """Use stored integers, after proving the bound on them.

        Args:
            weight: integers (out, in/groups, k, k) in [-127, 127].
            bias: integers (out,).
            shift: log2 of the output scale, integers (out,).

        Raises:
            WeightsError: a weight is out of range or the accumulator bound does not hold.
        """
        weight, bias, shift = weight.detach().float(), bias.detach().float(), shift.detach().float()
        worst = (weight.double().abs().flatten(1).sum(1) * self.in_max + bias.double().abs()).max().item()
        if weight.abs().max() > WEIGHT_MAX or worst >= ACCUMULATOR_LIMIT:
            raise WeightsError(
                f"an integer layer breaks its exactness bound (worst sum {worst:.0f}, limit {ACCUMULATOR_LIMIT})."
            )
        self.weight = self.bias = None
        self.int_weight, self.int_bias, self.shift = weight, bias, shift


class ExactTable(nn.Module):
    """A nonlinearity as a table over all integer inputs.

    Args:
        function: the real function, differentiable, used to build the table and in training.
        in_bits, in_max: input integers lie in [-in_max, in_max]; larger ones are clamped.
        out_bits: fractional bits of the output.
    """

    def __init__(self, function: Callable[[Tensor], Tensor], *, in_bits: int, in_max: int, out_bits: int):
        super().__init__()
        self.function = function
        self.in_bits, self.in_max, self.out_bits = in_bits, in_max, out_bits
        self.register_buffer("table", None)

    def forward(self, x: Tensor) -> Tensor:
        x = clamp_ste(x, -self.in_max, self.in_max)
        if self.table is not None:
            return self.table[(x + self.in_max).long()]
        return round_ste(self.function(x * 2.0**-self.in_bits) * 2.0**self.out_bits)

    @torch.no_grad()
    def freeze(self) -> None:
        """Compute the table once; it is stored with the weights from then on."""
        device = self.table.device if self.table is not None else "cpu"
        self.table = None
        self.install(self(torch.arange(-self.in_max, self.in_max + 1, device=device, dtype=torch.float32)))

    def install(self, table: Tensor) -> None:
        """Use a stored table of 2 * in_max + 1 integers."""
        if table.shape != (2 * self.in_max + 1,):
            raise WeightsError(
                f"a nonlinearity table has {tuple(table.shape)} entries, expected {2 * self.in_max + 1}."
            )
        self.table = table.detach().float()


class ExactSubpixel(nn.Module):
    """Upsampling by two: an exact convolution to four times the channels, then pixel shuffle."""

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 3, *, leaky: bool = False):
        super().__init__()
        self.conv = ExactConv2d(in_channels, 4 * out_channels, kernel, leaky=leaky)

    def forward(self, x: Tensor) -> Tensor:
        return F.pixel_shuffle(self.conv(x), 2)


class ExactIGDN(nn.Module):
    """Inverse generalized divisive normalization on integers, in its simplified form y = x (beta + gamma |x|).

    Source: Johnston et al. 2019, "Computationally Efficient Neural Image Compression", section 3.1 (no square,
    no root), which needs integer products only.
    """

    def __init__(self, channels: int):
        super().__init__()
        self.norm = ExactConv2d(channels, channels, 1, out_bits=8, out_min=0)
        assert self.norm.weight is not None and self.norm.bias is not None
        with torch.no_grad():
            self.norm.weight.copy_(0.1 * torch.eye(channels).view(channels, channels, 1, 1))
            self.norm.bias.fill_(1.0)

    def forward(self, x: Tensor) -> Tensor:
        return requantize(x * self.norm(x.abs()), -8)


def requantize(x: Tensor, shift: int, bound: int = ACTIVATION_MAX) -> Tensor:
    """Multiply integers |x| < 2**24 by 2**shift, round half to even and clamp to [-bound, bound]."""
    return clamp_ste(round_ste(x * 2.0**shift), -bound, bound)


def exact_mean(x: Tensor) -> Tensor:
    """Global average of integers (B, C, H, W) -> (B, C, 1, 1), rounded to an integer, ties up.

    The sum is taken in int64 (float32 would lose exactness on large pictures); gradients are those of a mean.
    """
    count = x.shape[2] * x.shape[3]
    total = x.detach().to(torch.int64).sum((2, 3), keepdim=True)
    exact = torch.div(2 * total + count, 2 * count, rounding_mode="floor").to(x.dtype)
    if not x.requires_grad:
        return exact
    mean = x.mean((2, 3), keepdim=True)
    return mean + (exact - mean).detach()


def exact_modules(module: nn.Module) -> Iterator[tuple[str, ExactConv2d | ExactTable]]:
    """Every integer layer of a network with its dotted name."""
    for name, child in module.named_modules():
        if isinstance(child, ExactConv2d | ExactTable):
            yield name, child


def freeze(module: nn.Module) -> None:
    """Freeze every integer layer of a network for coding."""
    for _, layer in exact_modules(module):
        layer.freeze()
