"""The segmenter: frozen ImageNet features and a small trained top-down head."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from codectk_labels.backbone import CHANNELS, STRIDE, Backbone
from codectk_labels.groups import GROUPS

WIDTH = 64
"""Channels of the head at strides 32 to 8."""

FINE = 32
"""Channels at stride 4, where most pixels are."""


GROUPED = 8
"""Groups of channels that are normalized together."""


class Smooth(nn.Sequential):
    """3x3 convolution, group norm, ReLU.

    Not batch norm: photos and enlarged thumbnails are learned from in turn, and would have to share statistics.
    """

    def __init__(self, inputs: int, outputs: int):
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.GroupNorm(GROUPED, outputs), nn.ReLU(inplace=True)
        )


class Head(nn.Module):
    """Features to logits, from coarse to fine, with the picture's mean features added at the coarsest scale."""

    def __init__(self) -> None:
        super().__init__()
        fine, *coarser = CHANNELS
        self.context = nn.Conv2d(CHANNELS[-1], WIDTH, 1)
        self.lateral = nn.ModuleList([nn.Conv2d(fine, FINE, 1), *(nn.Conv2d(n, WIDTH, 1) for n in coarser)])
        self.smooth = nn.ModuleList([Smooth(FINE, FINE), *(Smooth(WIDTH, WIDTH) for _ in coarser)])
        self.narrow = nn.Conv2d(WIDTH, FINE, 1)
        self.drop = nn.Dropout2d(0.1)
        self.classify = nn.Conv2d(FINE, len(GROUPS), 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Logits float (B, 13, H/4, W/4) from the backbone's features; channel k is label k + 1."""
        x = self.context(features[-1].mean((2, 3), keepdim=True))
        for level in reversed(range(len(features))):
            if level == 0:
                x = self.narrow(x)
            # A 1x1 context broadcasts; after that every level doubles.
            x = x if level == len(features) - 1 else functional.interpolate(x, scale_factor=2.0, mode="bilinear")
            x = self.smooth[level](x + self.lateral[level](features[level]))
        logits: Tensor = self.classify(self.drop(x))
        return logits


class Segmenter(nn.Module):
    """Backbone and head. Only the head is trained and stored."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone()
        self.head = Head().to(memory_format=torch.channels_last)

    def forward(self, x: Tensor) -> Tensor:
        """Logits float (B, 13, H, W) of pictures float (B, 3, H, W) in [0, 1] of any size."""
        height, width = x.shape[-2:]
        padded = functional.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        coarse = self.head(self.backbone(padded))
        full = functional.interpolate(coarse, scale_factor=4.0, mode="bilinear")
        return full[..., :height, :width]
