"""The networks of channel-wise autoregressive coding (`codectk.programs.slices`), as modules.

`IntegerNetworks` builds them from integer layers: means lie on a 1/64 grid and scale indices are integers, so files
decode bit-exactly anywhere. Codecs derive from it to add networks of their own, and have a class of the same form for
published float networks.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor, nn

from codectk.nn.exact import ACTIVATION_MAX, ExactConv2d, ExactSubpixel, ExactTable
from codectk.nn.priors import SCALE_LEVELS, GaussianPrior, index_of
from codectk.programs.slices import BITS, INTEGERS, LATENT_BITS, VALUE_MAX, Numbers

INDEX_BITS = 3
"""Fractional bits of the scale networks' last layer, whose integers are scale indices."""
CONTEXT_BITS = 4
"""Fractional bits of decoded slices as input of later networks: |y| up to 64."""
START_INDEX = 20
"""Scale index that networks start from: a standard deviation of about 1.3."""


class Networks(Protocol):
    """Builds the networks of one kind of numbers. `part` is the number of the slice that a network is for."""

    numbers: Numbers

    def mean_net(self, seen: int, out: int, part: int) -> nn.Module: ...
    def scale_net(self, seen: int, out: int, part: int) -> nn.Module: ...
    def lrp_net(self, seen: int, out: int, part: int) -> nn.Module: ...
    def context_table(self) -> nn.Module: ...


class ChannelSlices(nn.Module):
    """Owns what `codectk.programs.slices.SliceNetworks` names.

    Args:
        networks: builds them.
        slices, support, own_view, layered: see there.
        hyper_features: channels of the mean and scale features each.
        lrp: with networks that refine each decoded slice.
    """

    def __init__(
        self,
        networks: Networks,
        slices: Sequence[int],
        support: int,
        hyper_features: int,
        *,
        own_view: bool = False,
        lrp: bool = False,
        layered: bool = False,
    ):
        super().__init__()
        self.numbers, self.layered = networks.numbers, layered
        self.slices, self.support, self.own_view = list(slices), support, own_view
        self.context = networks.context_table()
        self.cc_mean_transforms, self.cc_scale_transforms = nn.ModuleList(), nn.ModuleList()
        self.lrp_transforms = nn.ModuleList()
        for i, width in enumerate(self.slices):
            seen = (width if own_view else hyper_features) + sum(self.slices[: min(i, support)])
            self.cc_mean_transforms.append(networks.mean_net(seen, width, i))
            self.cc_scale_transforms.append(networks.scale_net(seen, width, i))
            if lrp:
                self.lrp_transforms.append(networks.lrp_net(seen + width, width, i))
        self.prior_y = GaussianPrior("y")


class IntegerNetworks:
    """Integers in float32.

    Args:
        parameter_nets: hidden widths of the mean, scale and LRP networks.
    """

    numbers = INTEGERS

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

    def context_table(self) -> nn.Module:
        """What later networks see of a decoded slice: asinh(y), so that large channels do not drown small ones."""
        return ExactTable(
            torch.asinh, from_bits=LATENT_BITS, in_bits=CONTEXT_BITS, in_max=ACTIVATION_MAX, out_bits=BITS
        )


class HalfTanh(nn.Module):
    """0.5 tanh(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * torch.tanh(x)


class ScaleIndex(nn.Module):
    """The scale index, between two tables, of a standard deviation."""

    def forward(self, x: Tensor) -> Tensor:
        return index_of(x)
