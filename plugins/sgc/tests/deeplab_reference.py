"""DeepLab v2 computed straight from the tensors of a published checkpoint."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def deeplab_checkpoint(classes: int, width: int, blocks: Sequence[int]) -> dict[str, Tensor]:
    """Random weights of DeepLab v2 under their published names."""
    state: dict[str, Tensor] = {}

    def unit(name: str, inputs: int, outputs: int, side: int) -> None:
        spread = math.sqrt(2 / (inputs * side * side))
        state[f"base.{name}.conv.weight"] = spread * torch.randn(outputs, inputs, side, side)
        for part, value in (
            ("weight", 1 + 0.2 * torch.randn(outputs)),
            ("bias", 0.1 * torch.randn(outputs)),
            ("running_mean", 0.1 * torch.randn(outputs)),
            ("running_var", 0.5 + torch.rand(outputs)),
            ("num_batches_tracked", torch.tensor(12345)),
        ):
            state[f"base.{name}.bn.{part}"] = value

    unit("layer1.conv1", 3, width, 7)
    # The pictures are in 0..255.
    state["base.layer1.conv1.conv.weight"] /= 60
    inputs = width
    for stage, count in enumerate(blocks, start=2):
        outputs = width * 2**stage
        for block in range(1, count + 1):
            name = f"layer{stage}.block{block}"
            unit(f"{name}.reduce", inputs, outputs // 4, 1)
            unit(f"{name}.conv3x3", outputs // 4, outputs // 4, 3)
            unit(f"{name}.increase", outputs // 4, outputs, 1)
            if block == 1:
                unit(f"{name}.shortcut", inputs, outputs, 1)
            inputs = outputs
    for number in range(4):
        state[f"base.aspp.c{number}.weight"] = torch.randn(classes, inputs, 3, 3) / math.sqrt(36 * inputs)
        state[f"base.aspp.c{number}.bias"] = 0.1 * torch.randn(classes)
    return state


class DeepLab:
    """Runs a checkpoint as it is, without modules.

    Args:
        state: by published names.
        blocks: of the four stages.
    """

    def __init__(self, state: Mapping[str, Tensor], blocks: Sequence[int]):
        self.state, self.blocks = state, blocks

    def unit(self, name: str, x: Tensor, stride: int = 1, rate: int = 1) -> Tensor:
        weight = self.state[f"base.{name}.conv.weight"]
        x = F.conv2d(x, weight, None, stride, rate * (weight.shape[-1] // 2), rate)
        scale, shift, mean, variance = (
            self.state[f"base.{name}.bn.{part}"].view(-1, 1, 1)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        return (x - mean) / (variance + 1e-5).sqrt() * scale + shift

    def base(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.unit("layer1.conv1", x, 2)), 3, 2, 1, ceil_mode=True)
        for stage, count in enumerate(self.blocks, start=2):
            for block in range(1, count + 1):
                name = f"layer{stage}.block{block}"
                stride = 2 if (stage, block) == (3, 1) else 1
                h = F.relu(self.unit(f"{name}.reduce", x, stride))
                h = F.relu(self.unit(f"{name}.conv3x3", h, rate={4: 2, 5: 4}.get(stage, 1)))
                h = self.unit(f"{name}.increase", h)
                x = F.relu(h + (self.unit(f"{name}.shortcut", x, stride) if block == 1 else x))
        return sum(
            F.conv2d(
                x, self.state[f"base.aspp.c{number}.weight"], self.state[f"base.aspp.c{number}.bias"],
                padding=rate, dilation=rate,
            )
            for number, rate in enumerate((6, 12, 18, 24))
        )  # fmt: skip

    def logits(self, pixels: Tensor) -> Tensor:
        """Of pixels 0..255, RGB, (1, 3, H, W) with a longer side of 513: (1, classes, H, W)."""
        red, green, blue = pixels.unbind(1)
        x = torch.stack([blue - 104.008, green - 116.669, red - 122.675], 1)
        answers = [self.base(x)]
        for part in (0.75, 0.5):
            size = [int(part * side) for side in x.shape[-2:]]
            small = self.base(F.interpolate(x, size, mode="bilinear"))
            answers.append(F.interpolate(small, answers[0].shape[-2:], mode="bilinear"))
        return F.interpolate(torch.stack(answers).amax(0), pixels.shape[-2:], mode="bilinear")
