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

from codectk.base.errors import ContractError, WeightsError
from codectk.nn.convolution import convolve, plain_sums
from codectk.nn.quantize import clamp_ste, round_ste
from codectk.programs.slices import BITS
from codectk.weights.stored import output_scale

ACTIVATION_MAX = 1023
"""Default bound of integer activations."""
WEIGHT_MAX = 127
ACCUMULATOR_LIMIT = 2**24
LEAK = 0.125
"""Slope of the leaky ReLU for negative inputs; a power of two keeps it exact."""


@contextmanager
def exact_math(device: torch.device | str = "cpu") -> Iterator[None]:
    """Switch off everything that may leave float32: autocast in this thread, the rest in this process."""
    with torch.autocast(torch.device(device).type, enabled=False), plain_sums:
        yield


class ExactConv2d(nn.Module):
    """Convolution, nonlinearity and re-quantization on integers.

    Args:
        in_channels, out_channels, kernel, stride, groups: as in `nn.Conv2d`; padding is kernel // 2.
        in_bits, out_bits: fractional bits of input and output integers.
        in_max: bound of |input|, part of the exactness proof; the caller guarantees it.
        out_min, out_max: clamp of the output.
        leaky: apply a leaky ReLU (slope 1/8) before rounding.

    Shape: float32 integers (B, in_channels, H, W) -> float32 integers (B, out_channels, H', W').

    Raises:
        ContractError: so many inputs of that size that even weights of one break the bound.
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
        fan_in = in_channels // groups * kernel**2
        if fan_in * in_max >= ACCUMULATOR_LIMIT:
            raise ContractError(f"an integer layer cannot sum {fan_in} products with inputs of up to {in_max} exactly.")
        # He's variance keeps the size of activations from layer to layer (He et al. 2015, eq. 10). With torch's default
        # they shrink to a third in each layer: five layers later an integer signal is below one step, and lost.
        weight = torch.empty(out_channels, in_channels // groups, kernel, kernel)
        nn.init.kaiming_normal_(weight, LEAK if leaky else 1.0)
        self.weight: nn.Parameter | None = nn.Parameter(weight)
        self.bias: nn.Parameter | None = nn.Parameter(torch.zeros(out_channels))
        self.stride, self.padding, self.groups = stride, kernel // 2, groups
        self.in_bits, self.out_bits, self.in_max = in_bits, out_bits, in_max
        self.out_min, self.out_max, self.leaky = out_min, out_max, leaky
        self.int_weight: Tensor | None
        self.int_bias: Tensor | None
        self.shift: Tensor | None
        self.scale: Tensor | None
        self.register_buffer("int_weight", None)
        self.register_buffer("int_bias", None)
        self.register_buffer("shift", None)
        self.register_buffer("scale", None, persistent=False)  # 2**shift, made where it is exact

    def exponents(self) -> Tensor:
        """Largest exponent e per output channel for which weights * 2**e obey both bounds. int-valued (C,)."""
        assert self.weight is not None and self.bias is not None
        weight = self.weight.detach().flatten(1).abs().double()
        bias = self.bias.detach().abs().double()
        # |sum| <= in_max * (2**e * sum|w| + n/2 from rounding) + 2**(in_bits+e) |b| + 1/2
        room = ACCUMULATOR_LIMIT - 2 - self.in_max * weight.shape[1] / 2
        by_sum = room / (self.in_max * weight.sum(1) + bias * 2.0**self.in_bits + 1e-12)
        by_weight = (WEIGHT_MAX + 0.49) / (weight.amax(1) + 1e-12)
        return torch.floor(torch.log2(torch.minimum(by_sum, by_weight))).clamp(-100, 20)

    def integers(self) -> tuple[Tensor, Tensor, Tensor]:
        """Integer weight, integer bias and log2 of the output scale, each float32; the first two differentiable."""
        if self.int_weight is not None and self.int_bias is not None and self.shift is not None:
            return self.int_weight, self.int_bias, self.shift
        assert self.weight is not None and self.bias is not None
        exponent = self.exponents().to(self.weight.dtype)
        scale = torch.exp2(exponent)
        weight = round_ste(self.weight * scale.view(-1, 1, 1, 1))
        bias = round_ste(self.bias * scale * 2.0**self.in_bits)
        return weight, bias, self.out_bits - self.in_bits - exponent

    def forward(self, x: Tensor) -> Tensor:
        weight, bias, shift = self.integers()
        scale = torch.exp2(shift) if self.scale is None else self.scale
        total = convolve(x, weight, bias, self.stride, self.padding, self.groups)
        y = total * scale.view(1, -1, 1, 1)
        if self.leaky:
            y = F.leaky_relu(y, LEAK)
        return clamp_ste(round_ste(y), self.out_min, self.out_max)

    @torch.no_grad()
    def freeze(self) -> None:
        """Replace the trainable weights by their integers."""
        self.install(*self.integers())

    def install(self, weight: Tensor, bias: Tensor, shift: Tensor) -> None:
        """Use stored integers, after proving the bound on them.

        Args:
            weight: integers (out, in/groups, k, k) in [-127, 127].
            bias: integers (out,).
            shift: log2 of the output scale, integers (out,) in [-126, 127].

        Raises:
            WeightsError: a shape is wrong, a value is no integer or out of range, or the accumulator bound does
                not hold.
        """
        like = self.weight if self.weight is not None else self.int_weight
        assert like is not None
        expected = like.shape
        weight, bias, shift = (value.detach().to(like.device, torch.float32) for value in (weight, bias, shift))
        if weight.shape != expected or not bias.shape == shift.shape == expected[:1]:
            raise WeightsError(
                f"an integer layer has weights of shape {tuple(weight.shape)}, expected {tuple(expected)}, "
                f"with {bias.numel()} biases and {shift.numel()} shifts."
            )
        if any(not torch.equal(value, value.round()) for value in (weight, bias, shift)):  # also finds NaN
            raise WeightsError("an integer layer has values that are not integers.")
        if shift.min() < -126 or shift.max() > 127:
            raise WeightsError("an integer layer has a scale that float32 does not hold.")
        worst = (weight.double().abs().flatten(1).sum(1) * self.in_max + bias.double().abs()).max().item()
        if weight.abs().max() > WEIGHT_MAX or worst >= ACCUMULATOR_LIMIT:
            raise WeightsError(
                f"an integer layer breaks its exactness bound (worst sum {worst:.0f}, limit {ACCUMULATOR_LIMIT})."
            )
        self.weight = self.bias = None
        self.int_weight, self.int_bias, self.shift = weight, bias, shift
        self.scale = torch.from_numpy(output_scale(shift.cpu().numpy())).to(shift.device)

    @torch.no_grad()
    def thaw(self) -> None:
        """Make the integers trainable weights again: real ones that have these integers."""
        if self.int_weight is None or self.int_bias is None or self.shift is None:
            return
        step = torch.exp2(self.shift - (self.out_bits - self.in_bits))
        self.weight = nn.Parameter(self.int_weight * step.view(-1, 1, 1, 1))
        self.bias = nn.Parameter(self.int_bias * step * 2.0**-self.in_bits)
        self.int_weight = self.int_bias = self.shift = self.scale = None


class ExactTable(nn.Module):
    """A nonlinearity as a table over all integer inputs.

    Args:
        function: the real function, differentiable, used to build the table and in training.
        in_bits, in_max: input integers lie in [-in_max, in_max]; larger ones are clamped.
        out_bits: fractional bits of the output.
        from_bits: fractional bits of what comes in, where they are others than the table's: it is rounded.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Tensor],
        *,
        in_bits: int,
        in_max: int,
        out_bits: int,
        from_bits: int | None = None,
    ):
        super().__init__()
        self.function = function
        self.in_bits, self.in_max, self.out_bits = in_bits, in_max, out_bits
        self.from_bits = in_bits if from_bits is None else from_bits
        self.table: Tensor | None
        self.register_buffer("table", None)

    def forward(self, x: Tensor) -> Tensor:
        if self.from_bits != self.in_bits:
            x = round_ste(x * 2.0 ** (self.in_bits - self.from_bits))
        x = clamp_ste(x, -self.in_max, self.in_max)
        if self.table is None:
            return self._computed(x)
        stored = self.table[(x.detach().round() + self.in_max).long()]
        if not x.requires_grad:
            return stored
        near = self._computed(x)  # for its gradient; also at values between integers
        return near + (stored - near).detach()

    def _computed(self, x: Tensor) -> Tensor:
        return round_ste(self.function(x * 2.0**-self.in_bits) * 2.0**self.out_bits)

    @torch.no_grad()
    def freeze(self) -> None:
        """Compute the table once; it is stored with the weights from then on, and stays as it is."""
        if self.table is None:
            self.install(self._computed(torch.arange(-self.in_max, self.in_max + 1, dtype=torch.float32)))

    def install(self, table: Tensor) -> None:
        """Use a stored table of 2 * in_max + 1 integers."""
        if table.shape != (2 * self.in_max + 1,):
            raise WeightsError(
                f"a nonlinearity table has {tuple(table.shape)} entries, expected {2 * self.in_max + 1}."
            )
        if not torch.equal(table, table.round()):
            raise WeightsError("a nonlinearity table has values that are not integers.")
        self.table = table.detach().float()

    def thaw(self) -> None:
        """Compute the function again, of parameters that may change."""
        self.table = None


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


def exact_modules(module: nn.Module) -> list[tuple[str, ExactConv2d | ExactTable]]:
    """Every integer layer of a network with its dotted name."""
    named = module.named_modules()
    return [(name, child) for name, child in named if isinstance(child, ExactConv2d | ExactTable)]


def freeze(module: nn.Module) -> None:
    """Freeze every integer layer of a network for coding."""
    for _, layer in exact_modules(module):
        layer.freeze()
