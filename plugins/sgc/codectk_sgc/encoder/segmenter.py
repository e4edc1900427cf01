"""The segmenter: frozen ImageNet features at stride 16, and a head like DeepLabV3+'s (Chen et al. 2018) on them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk_labels.backbone import CHANNELS, Backbone
from codectk_labels.predict import probabilities

STRIDE = 16
"""Pixels per position of the coarse features."""

NARROW = 128
"""Channels that the branches see."""

WIDTH = 64
"""Channels of each branch, and of the fine features."""

RATES = (2, 4, 8)
"""Dilations of the branches."""

LOW = 24
"""Channels taken from the features at stride 8."""

FORGET = 0.25
"""Share of the features that are left out in training: the head is large beside the few pictures to learn from."""

GROUPED = 8
"""Groups of channels that are normalized together."""

VIEWS = (0.5, 1.0)
"""Scales at which a picture is looked at; the answers are averaged."""


def _block(inputs: int, outputs: int, rate: int = 0) -> nn.Sequential:
    """Convolution (1x1, or 3x3 with a dilation), group norm, ReLU."""
    convolution = (
        nn.Conv2d(inputs, outputs, 3, padding=rate, dilation=rate, bias=False)
        if rate
        else nn.Conv2d(inputs, outputs, 1, bias=False)
    )
    return nn.Sequential(convolution, nn.GroupNorm(GROUPED, outputs), nn.ReLU(inplace=True))


class Features(nn.Module):
    """ImageNet features at strides 8 and 16, frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = Backbone(output_stride=STRIDE)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features (B, 40, H/8, W/8) and (B, 432, H/16, W/16) of pictures (B, 3, H, W), sides multiples of 16."""
        _, fine, *coarse = self.backbone(x)
        return [fine, torch.cat(coarse, 1)]


class Head(nn.Module):
    """Atrous spatial pyramid pooling: branches of several dilations and the picture's mean, refined at stride 8.

    Args:
        classes: number of labels.
    """

    def __init__(self, classes: int):
        super().__init__()
        _, low, *coarse = CHANNELS
        self.forget = nn.Dropout2d(FORGET)
        self.narrow = _block(sum(coarse), NARROW)
        self.branches = nn.ModuleList([_block(NARROW, WIDTH), *(_block(NARROW, WIDTH, rate) for rate in RATES)])
        self.pooled = nn.Sequential(nn.Conv2d(sum(coarse), WIDTH, 1), nn.ReLU(inplace=True))
        self.mix = _block((len(RATES) + 2) * WIDTH, WIDTH)
        self.low = _block(low, LOW)
        self.refine = _block(WIDTH + LOW, WIDTH, 1)
        self.drop = nn.Dropout2d(0.1)
        self.classify = nn.Conv2d(WIDTH, classes, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Logits (B, classes, H/8, W/8) of `Features`."""
        fine, coarse = (self.forget(level) for level in features)
        pooled = self.pooled(coarse.mean((2, 3), keepdim=True)).expand(-1, -1, *coarse.shape[-2:])
        narrow = self.narrow(coarse)
        mixed = self.mix(torch.cat([*(branch(narrow) for branch in self.branches), pooled], 1))
        up = F.interpolate(mixed, fine.shape[-2:], mode="bilinear")
        logits: Tensor = self.classify(self.drop(self.refine(torch.cat([up, self.low(fine)], 1))))
        return logits


class Segmenter(nn.Module):
    """Backbone and head. The backbone is an installed package's; only the head is trained and stored.

    Args:
        classes: number of labels.
    """

    def __init__(self, classes: int):
        super().__init__()
        self.head = Head(classes).to(memory_format=torch.channels_last)
        self._backbone: tuple[Features, ...] = ()  # in a tuple, a module is not registered

    @property
    def backbone(self) -> Features:
        """The frozen features, read when they are first needed."""
        if not self._backbone:
            self._backbone = (Features(),)
        return self._backbone[0].to(self.head.classify.weight.device)

    def forward(self, x: Tensor) -> Tensor:
        """Logits float (B, classes, H, W) of pictures float (B, 3, H, W) in [0, 1] of any size, from one look."""
        height, width = x.shape[-2:]
        padded = F.pad(x, (0, -width % STRIDE, 0, -height % STRIDE), mode="replicate")
        coarse = self.head(self.backbone(padded))
        full = F.interpolate(coarse, padded.shape[-2:], mode="bilinear")
        return full[..., :height, :width]

    def probabilities(self, x: Tensor, views: Sequence[float] = VIEWS) -> Tensor:
        """Probability of every label, float (B, classes, H, W), averaged over views and mirror images."""
        longer = max(x.shape[-2:])
        return probabilities(self, x, [max(round(view * longer), 1) for view in views])
