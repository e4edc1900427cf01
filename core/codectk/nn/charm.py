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
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.errors import ContractError
from codectk.nn.exact import ExactConv2d, ExactSubpixel, ExactTable
from codectk.nn.priors import GaussianPrior, index_of
from codectk.nn.quantize import clamp_ste
from codectk.programs.slices import BITS, INTEGERS, LATENT_BITS, REACH, VALUE_MAX, Numbers
from codectk.programs.values import SCALE_LEVELS

INDEX_BITS = 3
"""Fractional bits of the scale networks' last layer, whose integers are scale indices."""
CONTEXT_BITS = 4
"""Fractional bits of decoded slices as input of later networks."""
START_INDEX = 20
"""Scale index that networks start from: a standard deviation of about 1.3."""


class Networks(Protocol):
    """Builds the networks of one kind of numbers. `part` is the number of the slice that a network is for."""

    @property
    def numbers(self) -> Numbers: ...
    def mean_net(self, seen: int, out: int, part: int) -> nn.Module: ...
    def scale_net(self, seen: int, out: int, part: int) -> nn.Module: ...
    def lrp_net(self, seen: int, out: int, part: int) -> nn.Module: ...
    def context_table(self) -> nn.Module: ...


class ChannelSlices(nn.Module):
    """Owns what `codectk.programs.slices.SliceNetworks` names.

    Args:
        networks: builds them.
        slices, support, own_view, layered, two_pass: see there.
        hyper_features: channels of the mean and scale features each.
        lrp: with networks that refine each decoded slice.

    Raises:
        ContractError: two passes in real numbers, or over slices that are layers.
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
        two_pass: int = 0,
    ):
        super().__init__()
        if two_pass and (layered or not isinstance(networks, IntegerNetworks)):
            raise ContractError("slices in two passes are coded in integers, and are no layers.")
        self.numbers, self.layered, self.two_pass = networks.numbers, layered, two_pass
        self.slices, self.support, self.own_view = list(slices), support, own_view
        self.context = networks.context_table()
        self.cc_mean_transforms, self.cc_scale_transforms = nn.ModuleList(), nn.ModuleList()
        self.lrp_transforms, self.neighbors = nn.ModuleList(), nn.ModuleList()
        for i, width in enumerate(self.slices):
            seen = (width if own_view else hyper_features) + sum(self.slices[: min(i, support)])
            if i < two_pass:
                assert isinstance(networks, IntegerNetworks)
                seen += width
                self.neighbors.append(NeighborNet(width, networks.mean_max))
            self.cc_mean_transforms.append(networks.mean_net(seen, width, i))
            self.cc_scale_transforms.append(networks.scale_net(seen, width, i))
            if lrp:
                self.lrp_transforms.append(networks.lrp_net(seen + width, width, i))
        self.prior_y = GaussianPrior("y")


class IntegerNetworks:
    """Integers in float32.

    Args:
        parameter_nets: hidden widths of the mean, scale and LRP networks.
        reach: see `REACH`.

    Attributes:
        mean_max: bound of means on the 1/64 grid.
    """

    numbers = INTEGERS

    def __init__(self, parameter_nets: Sequence[int], reach: int = REACH):
        self.parameter_nets, self.reach = tuple(parameter_nets), reach
        self.mean_max = 2 * reach * 2**LATENT_BITS - 1

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
        bound = self.mean_max
        last = ExactConv2d(self.parameter_nets[-1], out, out_bits=LATENT_BITS, out_min=-bound, out_max=bound)
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
        bound = self.reach * 2**CONTEXT_BITS - 1
        return ExactTable(torch.asinh, from_bits=LATENT_BITS, in_bits=CONTEXT_BITS, in_max=bound, out_bits=BITS)


class NeighborNet(nn.Module):
    """A linear prediction of each channel from its own values at the positions around, mirrored at the borders.

    Integers on the 1/64 grid in and out. It starts as nothing, but for channels that `smooth` names.

    Args:
        channels: of the slice.
        bound: what values are clamped to.
    """

    def __init__(self, channels: int, bound: int):
        super().__init__()
        self.bound = bound
        self.conv = ExactConv2d(
            channels, channels, groups=channels, in_bits=LATENT_BITS, out_bits=LATENT_BITS,
            in_max=bound, out_min=-bound, out_max=bound,
        )  # fmt: skip
        assert self.conv.weight is not None
        nn.init.zeros_(self.conv.weight)

    @torch.no_grad()
    def smooth(self, channels: Sequence[int]) -> None:
        """Start as the mean of the four nearest positions in these channels, as suits the mean color of a block."""
        assert self.conv.weight is not None
        for channel in channels:
            self.conv.weight[channel, 0] = torch.tensor([[0, 0.25, 0], [0.25, 0, 0.25], [0, 0.25, 0]])

    def forward(self, known: Tensor) -> Tensor:
        around = F.pad(clamp_ste(known, -self.bound, self.bound), (1, 1, 1, 1), "reflect")
        predicted: Tensor = self.conv(around)
        return predicted[:, :, 1:-1, 1:-1]


class HalfTanh(nn.Module):
    """0.5 tanh(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * torch.tanh(x)


class ScaleIndex(nn.Module):
    """The scale index, between two tables, of a standard deviation."""

    def forward(self, x: Tensor) -> Tensor:
        return index_of(x)
