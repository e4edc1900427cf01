"""Prototype autoencoders: a region's mean feature to a short integer code and back, by 1x1 convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from codectk.nn.blocks import GDN
from codectk.nn.exact import ExactConv2d, ExactIGDN
from codectk.programs.slices import VALUE_MAX


class Silence(nn.Module):
    """Zeros in place of decoded prototypes, for an ablation."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def encoder(channels: int, widths: tuple[int, ...]) -> nn.Sequential:
    """`g_ab`: channels -> widths[0] GDN -> widths[1] GDN -> widths[2]."""
    a, b, c = widths
    return nn.Sequential(nn.Conv2d(channels, a, 1), GDN(a), nn.Conv2d(a, b, 1), GDN(b), nn.Conv2d(b, c, 1))


def decoder(code: int, widths: tuple[int, int], channels: int) -> nn.Sequential:
    """`g_sb`: code -> widths[0] IGDN -> widths[1] IGDN -> channels."""
    a, b = widths
    return nn.Sequential(
        nn.Conv2d(code, a, 1), GDN(a, inverse=True), nn.Conv2d(a, b, 1), GDN(b, inverse=True), nn.Conv2d(b, channels, 1)
    )


def exact_decoder(code: int, widths: tuple[int, int], channels: int) -> nn.Sequential:
    """The same in integers."""
    a, b = widths
    return nn.Sequential(
        ExactConv2d(code, a, 1, in_bits=0, in_max=VALUE_MAX),
        ExactIGDN(a),
        ExactConv2d(a, b, 1),
        ExactIGDN(b),
        ExactConv2d(b, channels, 1),
    )
