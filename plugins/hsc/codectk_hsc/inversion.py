"""GIE: a picture's style codes in one pass.

Frozen ImageNet features stand beside own ones: they know real photos, which the painted faces of the training are not.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.nn.blocks import conv3x3
from codectk_hsc.config import Config
from codectk_hsc.regression import Regression
from codectk_labels.backbone import CHANNELS, Backbone

SLOPE = 0.1
STEM = 4
"""Pixels a side that the first layer gathers into one position; work at full resolution would cost the most."""

COLLECTED = 64
"""Channels to which the coarsest ImageNet features are reduced at the cut."""


def normalize(channels: int) -> nn.GroupNorm:
    """Of groups of about 16 channels."""
    return nn.GroupNorm(max(1, channels // 16), channels)


class Residual(nn.Module):
    """x + two convolutions."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm1, self.conv1 = normalize(channels), conv3x3(channels, channels)
        self.norm2, self.conv2 = normalize(channels), conv3x3(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.leaky_relu(self.norm1(x), SLOPE))
        return x + self.conv2(F.leaky_relu(self.norm2(y), SLOPE))


class Down(nn.Sequential):
    """Half the resolution, other channels."""

    def __init__(self, channels: int, out: int):
        super().__init__(normalize(channels), nn.LeakyReLU(SLOPE), conv3x3(channels, out, 2))


class InversionEncoder(nn.Module):
    """Pictures (B, 3, side, side) in [0, 1] to coordinates of their styles (B, slots, components)."""

    def __init__(self, config: Config):
        super().__init__()
        c = config
        first, second, third = c.widths
        _, fine, middle, coarse = CHANNELS
        self.slots = c.slots
        self._backbone: tuple[Backbone, ...] = ()
        self.stem = nn.Sequential(conv3x3(3 * STEM**2, first), Down(first, second))
        self.enter = nn.Conv2d(fine, second, 1)
        self.refine = nn.Sequential(Residual(second), Down(second, third))
        self.reduce = nn.Conv2d(coarse, COLLECTED, 1)
        self.gather = nn.Conv2d(third + middle + COLLECTED, c.trunk, 1)
        self.trunk = nn.Sequential(*(Residual(c.trunk) for _ in range(c.depth)))
        self.pool = Down(c.trunk, c.pooled)
        self.join = nn.Conv2d(c.pooled + coarse, c.pooled, 1)
        self.settle = nn.Sequential(Residual(c.pooled), normalize(c.pooled), nn.LeakyReLU(SLOPE))
        self.styles = nn.Sequential(
            nn.Linear(c.pooled * (c.cut // 4) ** 2, c.hidden), nn.LeakyReLU(SLOPE),
            nn.Linear(c.hidden, c.slots * c.components),
        )  # fmt: skip
        self.regression = Regression(c, middle)
        for parameter in self.styles[-1].parameters():
            nn.init.zeros_(parameter)

    @property
    def backbone(self) -> Backbone:
        """The ImageNet features: their package's, not part of these weights."""
        if not self._backbone:
            self._backbone = (Backbone().to(self.enter.weight.device),)
        return self._backbone[0]

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            _, fine, middle, coarse = self.backbone(x)
        own = self.refine(self.stem(F.pixel_unshuffle(4 * (x - 0.5), STEM)) + self.enter(fine))
        spread = F.interpolate(self.reduce(coarse), scale_factor=2.0, mode="bilinear")
        trunk = self.trunk(self.gather(torch.cat([own, middle, spread], 1)))
        pooled = self.settle(self.join(torch.cat([self.pool(trunk), coarse], 1)))
        correction = self.styles(F.avg_pool2d(pooled, 2).flatten(1)).float().unflatten(1, (self.slots, -1))
        return self.regression(x, middle) + correction


def shrink(x: Tensor, side: int) -> Tensor:
    """Pictures (B, 3, H, W) at the encoder's size, without aliases."""
    if x.shape[2:] == (side, side):
        return x
    return F.interpolate(x, (side, side), mode="bilinear", antialias=True, align_corners=False).clamp(0, 1)
