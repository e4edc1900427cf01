"""Channel-wise autoregressive coding of y, and the numbers its networks run in.

Slice i of y is coded with a mean and a scale predicted from hyperprior features and the slices before it (Minnen and
Singh 2020). `ExactArithmetic` builds the networks from integer layers: means lie on a 1/64 grid and scale indices are
integers, so files decode bit-exactly anywhere. `FloatArithmetic` is for published float networks.
Both offer the same conversions, so the coding program is written once; codecs derive from them to add networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from codectk.nn.exact import ACTIVATION_MAX, BITS, ExactConv2d, ExactSubpixel, ExactTable
from codectk.nn.priors import SCALE_LEVELS, FactorizedPrior, GaussianPrior, index_of
from codectk.nn.quantize import clamp_ste, round_ste

VALUE_MAX = 255
"""Bound of factorized latents as integer networks see them."""
LATENT_BITS = 6
INDEX_BITS = 3
"""Fractional bits of the scale networks' last layer, whose integers are scale indices."""
CONTEXT_BITS = 4
"""Fractional bits of decoded slices as input of later networks: |y| up to 64."""
START_INDEX = 20
"""Scale index that networks start from: a standard deviation of about 1.3."""


class Arithmetic(Protocol):
    """What the coding program needs. `part` is the number of the slice that a network is for."""

    def mean_net(self, seen: int, out: int, part: int) -> nn.Module: ...
    def scale_net(self, seen: int, out: int, part: int) -> nn.Module: ...
    def lrp_net(self, seen: int, out: int, part: int) -> nn.Module: ...
    def context_table(self) -> nn.Module: ...
    def value(self, symbols: Tensor, prior: FactorizedPrior) -> Tensor: ...
    def hyper_input(self, y: Tensor) -> Tensor: ...
    def enter(self, z: Tensor, quality: float | Tensor | None) -> Tensor: ...
    def real(self, x: Tensor) -> Tensor: ...
    def mean_value(self, mean: Tensor) -> Tensor: ...
    def scale_index(self, scale: Tensor) -> Tensor: ...
    def reconstruct(self, symbols: Tensor, mean: Tensor) -> Tensor: ...
    def as_input(self, known: Tensor) -> Tensor: ...
    def latent_value(self, known: Tensor) -> Tensor: ...


class ChannelSlices(nn.Module):
    """The networks of all slices, and the loop over them.

    Args:
        arithmetic: the numbers they run in.
        slices: channels of each slice.
        support: number of leading slices that later slices see.
        hyper_features: channels of the mean and scale features each.
        own_view: a slice sees only its own channels of the features (then there are as many as channels of y).
        lrp: refine each decoded slice by a predicted residual (latent residual prediction).
        layered: each slice is a layer of the file; of slices that are not there the means are taken.
    """

    def __init__(
        self,
        arithmetic: Arithmetic,
        slices: Sequence[int],
        support: int,
        hyper_features: int,
        *,
        own_view: bool = False,
        lrp: bool = False,
        layered: bool = False,
    ):
        super().__init__()
        self.layered = layered
        self.arithmetic, self.slices, self.support, self.own_view = arithmetic, list(slices), support, own_view
        self.context = arithmetic.context_table()
        self.cc_mean_transforms, self.cc_scale_transforms = nn.ModuleList(), nn.ModuleList()
        self.lrp_transforms = nn.ModuleList()
        for i, width in enumerate(self.slices):
            seen = (width if own_view else hyper_features) + sum(self.slices[: min(i, support)])
            self.cc_mean_transforms.append(arithmetic.mean_net(seen, width, i))
            self.cc_scale_transforms.append(arithmetic.scale_net(seen, width, i))
            if lrp:
                self.lrp_transforms.append(arithmetic.lrp_net(seen + width, width, i))
        self.prior_y = GaussianPrior("y")

    def code_slices(
        self, coder: Any, y: Tensor | None, means: Tensor, scales: Tensor, layers: int | None = None
    ) -> Tensor:
        """Code y (B, M, h, w), or decode it when None.

        Args:
            coder: a tensor coder.
            y: what the analysis made.
            means, scales: hyperprior features (B, hyper_features, h, w).
            layers: with `layered`, how many slices to send.

        Returns:
            y as both ends know it.
        """
        arithmetic = self.arithmetic
        done: list[Tensor] = []
        leading: list[Tensor] = []
        targets: Sequence[Tensor | None] = [None] * len(self.slices) if y is None else torch.split(y, self.slices, 1)
        sent = True
        for i, target in enumerate(targets):
            if self.layered and sent:
                sent = coder.layer(None if layers is None else i < layers)
            mean_input = torch.cat([self._view(means, i), *leading], 1)
            mean = self.cc_mean_transforms[i](mean_input)
            index = self.cc_scale_transforms[i](torch.cat([self._view(scales, i), *leading], 1))
            residual = None if target is None else target - arithmetic.mean_value(mean)
            if sent:
                symbols = coder.code(arithmetic.scale_index(index), residual, self.prior_y)
            else:
                symbols = torch.zeros_like(mean)
            known = arithmetic.reconstruct(symbols, mean)
            if len(self.lrp_transforms):
                lrp = self.lrp_transforms[i](torch.cat([mean_input, self.context(arithmetic.as_input(known))], 1))
                known = known + lrp
            done.append(arithmetic.latent_value(known))
            if i < self.support:
                leading.append(self.context(arithmetic.as_input(known)))
        return torch.cat(done, 1)

    def _view(self, features: Tensor, part: int) -> Tensor:
        return torch.split(features, self.slices, 1)[part] if self.own_view else features


class ExactArithmetic:
    """Integers in float32.

    Args:
        parameter_nets: hidden widths of the mean, scale and LRP networks.
    """

    def __init__(self, parameter_nets: Sequence[int]):
        self.parameter_nets = tuple(parameter_nets)

    def latent_decoder(self, hyper: int, features: int) -> nn.Module:
        """Hyper-decoder: z with a quality plane (B, hyper + 1, H/64, W/64) -> features (B, features, H/16, W/16)."""
        return nn.Sequential(
            ExactConv2d(hyper + 1, 48, in_bits=0, in_max=VALUE_MAX, leaky=True),
            ExactSubpixel(48, 56, leaky=True),
            ExactConv2d(56, 64, leaky=True),
            ExactSubpixel(64, 72, leaky=True),
            ExactConv2d(72, features),
        )

    def _net(self, seen: int, last: ExactConv2d) -> nn.Sequential:
        widths = (seen, *self.parameter_nets)
        hidden = [ExactConv2d(a, b, leaky=True) for a, b in pairwise(widths)]
        return nn.Sequential(*hidden, last)

    def mean_net(self, seen: int, out: int, part: int) -> nn.Module:
        last = ExactConv2d(self.parameter_nets[-1], out, out_bits=LATENT_BITS, out_min=-8191, out_max=8191)
        return self._net(seen, last)

    def scale_net(self, seen: int, out: int, part: int) -> nn.Module:
        last = ExactConv2d(self.parameter_nets[-1], out, out_bits=INDEX_BITS, out_min=0, out_max=SCALE_LEVELS - 1)
        assert last.bias is not None
        nn.init.constant_(last.bias, START_INDEX * 2.0**-INDEX_BITS)
        return self._net(seen, last)

    def lrp_net(self, seen: int, out: int, part: int) -> nn.Module:
        last = ExactConv2d(self.parameter_nets[-1], out, out_min=-255, out_max=255)
        table = ExactTable(lambda x: 0.5 * torch.tanh(x), in_bits=BITS, in_max=255, out_bits=LATENT_BITS)
        return nn.Sequential(self._net(seen, last), table)

    def value(self, symbols: Tensor, prior: FactorizedPrior) -> Tensor:
        """What decoded symbols stand for: integers within the networks' input range (medians are zero here)."""
        return clamp_ste(symbols, -VALUE_MAX, VALUE_MAX)

    def context_table(self) -> nn.Module:
        """What later networks see of a decoded slice: asinh(y), so that large channels do not drown small ones."""
        return ExactTable(torch.asinh, in_bits=CONTEXT_BITS, in_max=ACTIVATION_MAX, out_bits=BITS)

    def hyper_input(self, y: Tensor) -> Tensor:
        """What the hyper-encoder sees of y, likewise."""
        return torch.asinh(y)

    def enter(self, z: Tensor, quality: float | Tensor | None) -> Tensor:
        """Input of the hyper-decoders: z and a plane that tells the quality (-16..16)."""
        q = torch.as_tensor(quality, dtype=torch.float64, device=z.device).reshape(-1, 1, 1, 1)
        plane = torch.round((q - 50) * 0.32).to(z.dtype).expand(z.shape[0], 1, *z.shape[2:])
        return torch.cat([z, plane], 1)

    def real(self, x: Tensor) -> Tensor:
        """Activations as real numbers, for float networks."""
        return x * 2.0**-BITS

    def mean_value(self, mean: Tensor) -> Tensor:
        return mean * 2.0**-LATENT_BITS

    def scale_index(self, scale: Tensor) -> Tensor:
        return scale

    def reconstruct(self, symbols: Tensor, mean: Tensor) -> Tensor:
        """symbol + mean on the 1/64 grid, as integers."""
        return symbols * 2.0**LATENT_BITS + mean

    def as_input(self, known: Tensor) -> Tensor:
        """A decoded slice as input of the context table."""
        return clamp_ste(round_ste(known * 2.0 ** (CONTEXT_BITS - LATENT_BITS)), -ACTIVATION_MAX, ACTIVATION_MAX)

    def latent_value(self, known: Tensor) -> Tensor:
        return known * 2.0**-LATENT_BITS


class FloatArithmetic:
    """Real numbers; codecs add the networks of their papers."""

    def value(self, symbols: Tensor, prior: FactorizedPrior) -> Tensor:
        return symbols + prior.medians

    def context_table(self) -> nn.Module:
        return nn.Identity()

    def hyper_input(self, y: Tensor) -> Tensor:
        return y

    def enter(self, z: Tensor, quality: float | Tensor | None) -> Tensor:
        return z

    def real(self, x: Tensor) -> Tensor:
        return x

    def mean_value(self, mean: Tensor) -> Tensor:
        return mean

    def scale_index(self, scale: Tensor) -> Tensor:
        """From standard deviations; a network that gives indices overrides this."""
        return index_of(scale)

    def reconstruct(self, symbols: Tensor, mean: Tensor) -> Tensor:
        return symbols + mean

    def as_input(self, known: Tensor) -> Tensor:
        return known

    def latent_value(self, known: Tensor) -> Tensor:
        return known


class HalfTanh(nn.Module):
    """0.5 tanh(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * torch.tanh(x)
