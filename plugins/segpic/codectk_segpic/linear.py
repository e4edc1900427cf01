"""A linear path beside the nonlinear transforms, starting as a 16x16 DCT.

`small` adds it so that training starts from a block-transform codec and learns what a network does better, instead of
spending its first thousands of steps on learning a basis. All its weights are trained with the rest.
"""

from __future__ import annotations

import math
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BLOCK = 16
CHROMA_WEIGHT = 3.5
"""How much sooner chroma frequencies are dropped than luma ones (squared frequency)."""


def dct_basis(channels: int) -> Tensor:
    """The `channels` lowest frequencies of an orthonormal color and block cosine transform, lowest first.

    Returns:
        float32 (channels, 3 * 256), rows orthonormal, columns in the order of `pixel_unshuffle(x, 16)`.
    """
    n = torch.arange(BLOCK, dtype=torch.float64)
    cosines = torch.cos(math.pi * (2 * n[None] + 1) * n[:, None] / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    cosines[0] /= math.sqrt(2)
    color = torch.tensor([[1, 1, 1], [1, 0, -1], [-1, 2, -1]], dtype=torch.float64)
    color /= color.norm(dim=1, keepdim=True)
    weight = (1.0, CHROMA_WEIGHT, CHROMA_WEIGHT)
    frequencies = product(range(3), range(BLOCK), range(BLOCK))
    order = sorted((weight[c] * (u * u + v * v + 1), c, u, v) for c, u, v in frequencies)
    rows = [torch.einsum("c,i,j->cij", color[c], cosines[u], cosines[v]) for _, c, u, v in order[:channels]]
    return torch.stack(rows).flatten(1).float()


class LinearAnalysis(nn.Module):
    """Blocks of 16x16 pixels to channels: (B, 3, H, W) -> (B, channels, H/16, W/16), always in float32."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(3 * BLOCK**2, channels, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(dct_basis(channels)[:, :, None, None])

    def forward(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            return self.conv(F.pixel_unshuffle(x.float(), BLOCK))


class LinearSynthesis(nn.Module):
    """Channels back to blocks: (B, channels, H/16, W/16) -> (B, 3, H, W), always in float32."""

    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, 3 * BLOCK**2, 1, bias=False)
        with torch.no_grad():
            self.conv.weight.copy_(dct_basis(channels).T[:, :, None, None])

    def forward(self, y: Tensor) -> Tensor:
        with torch.autocast(y.device.type, enabled=False):
            return F.pixel_shuffle(self.conv(y.float()), BLOCK)
