"""DeepLab v2 (Chen et al. 2018, arXiv 1606.00915) on ResNet-101, as its published weights for COCO-Stuff want it.

Modules are called as in those weights (deeplab-pytorch of Kazuto Nakashima).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MEAN = (104.008, 116.669, 122.675)
"""Of blue, green and red, 0..255, in the pictures that the network was trained on."""

LONGER = 513
"""Pixels of the longer side of what the network sees."""

VIEWS = (0.75, 0.5)
"""Scales at which it looks again; of the answers, the largest counts."""

RATES = (6, 12, 18, 24)
"""Dilations of the classifiers, whose answers are added."""

EXPANSION = 4
"""Channels of a block's output per channel inside it."""


def _unit(inputs: int, outputs: int, side: int = 1, stride: int = 1, rate: int = 1, *, relu: bool = True) -> nn.Module:
    """Convolution, batch norm and, unless a sum comes first, ReLU."""
    parts: list[tuple[str, nn.Module]] = [
        ("conv", nn.Conv2d(inputs, outputs, side, stride, rate * (side // 2), rate, bias=False)),
        ("bn", nn.BatchNorm2d(outputs)),
    ]
    return nn.Sequential(OrderedDict([*parts, ("relu", nn.ReLU())] if relu else parts))


class Bottleneck(nn.Module):
    """Residual block; a stride is in its first convolution, as in the first ResNets."""

    def __init__(self, inputs: int, outputs: int, stride: int, rate: int, project: bool):
        super().__init__()
        inner = outputs // EXPANSION
        self.reduce = _unit(inputs, inner, stride=stride)
        self.conv3x3 = _unit(inner, inner, 3, rate=rate)
        self.increase = _unit(inner, outputs, relu=False)
        self.shortcut = _unit(inputs, outputs, stride=stride, relu=False) if project else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, outputs, h / stride, w / stride) of (B, inputs, h, w)."""
        made: Tensor = self.increase(self.conv3x3(self.reduce(x)))
        return F.relu(made + self.shortcut(x))


class DeepLabV2(nn.Module):
    """Dilated ResNet at stride 8 and classifiers of several dilations, over several scales.

    Args:
        classes: number of labels.
        width: channels of the first convolution; the stages have 4, 8, 16 and 32 times as many.
        blocks: residual blocks of the four stages.
    """

    def __init__(self, classes: int, width: int = 64, blocks: Sequence[int] = (3, 4, 23, 3)):
        super().__init__()
        pool = nn.MaxPool2d(3, 2, 1, ceil_mode=True)
        self.layer1 = nn.Sequential(OrderedDict(conv1=_unit(3, width, 7, 2), pool=pool))
        inputs = width
        # Where ResNet halves a third and fourth time, convolutions are dilated instead.
        for number, (count, stride, rate) in enumerate(zip(blocks, (1, 2, 1, 1), (1, 1, 2, 4), strict=True)):
            outputs = EXPANSION * width << number
            stage: OrderedDict[str, nn.Module] = OrderedDict()
            for block in range(count):
                first = block == 0
                stage[f"block{block + 1}"] = Bottleneck(inputs, outputs, stride if first else 1, rate, first)
                inputs = outputs
            self.add_module(f"layer{number + 2}", nn.Sequential(stage))
        self.aspp = nn.ModuleDict(
            {
                f"c{number}": nn.Conv2d(inputs, classes, 3, padding=rate, dilation=rate)
                for number, rate in enumerate(RATES)
            }
        )

    def coarse(self, x: Tensor) -> Tensor:
        """Logits (B, classes, about h/8, about w/8) of one view, BGR less `MEAN`, (B, 3, h, w)."""
        for number in range(1, 6):
            x = self.get_submodule(f"layer{number}")(x)
        return torch.stack([classify(x) for classify in self.aspp.values()]).sum(0)

    def forward(self, x: Tensor) -> Tensor:
        """Logits float (B, classes, H, W) of pictures float (B, 3, H, W), RGB in [0, 1], of any size."""
        height, width = x.shape[-2:]
        pixels = 255 * x.flip(1) - x.new_tensor(MEAN).view(3, 1, 1)
        scale = LONGER / max(height, width)
        seen = _resized(pixels, max(round(scale * height), 1), max(round(scale * width), 1))
        logits = self.coarse(seen)
        for view in VIEWS:
            smaller = _resized(seen, *(max(int(view * side), 1) for side in seen.shape[-2:]))
            logits = torch.maximum(logits, _resized(self.coarse(smaller), *logits.shape[-2:]))
        return _resized(logits, height, width)

    def probabilities(self, x: Tensor) -> Tensor:
        """Probability of every label, float (B, classes, H, W), of pictures as `forward` takes them."""
        return self.forward(x).softmax(1)


def _resized(x: Tensor, height: int, width: int) -> Tensor:
    # Not antialiased: this is how the network was trained.
    return F.interpolate(x, (height, width), mode="bilinear", align_corners=False)
