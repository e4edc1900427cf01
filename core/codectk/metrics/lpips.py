"""LPIPS v0.1 with the AlexNet backbone, differentiable: a loss in training, a metric in evaluation.

Source: Zhang et al. 2018, "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", section 3:

    d(x, x0) = sum_l mean_{h,w} sum_c w_lc (y_lchw - y0_lchw)^2        y = features scaled to unit length over c

The weights are a file of their own, which never travels with this package: `codectk weights pull lpips`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.errors import WeightsError
from codectk.metrics.psnr import Pixels
from codectk.weights.tensors import load_tensors

LAYERS = {
    0: (3, 64, 11, 4, 2),
    3: (64, 192, 5, 1, 2),
    6: (192, 384, 3, 1, 1),
    8: (384, 256, 3, 1, 1),
    10: (256, 256, 3, 1, 1),
}
"""AlexNet's convolutions by their number in torchvision: channels in and out, kernel, stride, padding."""

POOL_BEFORE = (3, 6)

SHIFT, SCALE = (-0.030, -0.088, -0.188), (0.458, 0.448, 0.450)
"""ImageNet statistics on pictures in [-1, 1]."""

TINY = 1e-20
"""Added to a squared length: keeps the gradient of the root finite where no feature fires."""

MIN_SIDE = 31
"""Smallest side in pixels that leaves a feature at the last layer."""


class LPIPS(nn.Module):
    """Perceptual distance. Its weights do not train.

    Args:
        arrays: `features.{0,3,6,8,10}.{weight,bias}` as in torchvision's AlexNet and `lin{0..4}.model.1.weight`,
            float, as the reference implementation names them.

    Raises:
        WeightsError: a tensor is missing or has another shape.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]):
        super().__init__()
        self.convolutions = nn.ModuleList()
        self.heads = nn.ParameterList()
        for level, (number, (channels, width, kernel, stride, padding)) in enumerate(LAYERS.items()):
            layer = nn.Conv2d(channels, width, kernel, stride, padding)
            with torch.no_grad():
                layer.weight.copy_(_take(arrays, f"features.{number}.weight", layer.weight.shape))
                layer.bias.copy_(_take(arrays, f"features.{number}.bias", (width,)))  # type: ignore[union-attr]
            self.convolutions.append(layer)
            self.heads.append(nn.Parameter(_take(arrays, f"lin{level}.model.1.weight", (1, width, 1, 1))))
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.tensor(SHIFT).view(1, 3, 1, 1))
        self.register_buffer("scale", torch.tensor(SCALE).view(1, 3, 1, 1))
        self.requires_grad_(False).eval()

    def features(self, x: Tensor) -> Iterator[Tensor]:
        """Features after each ReLU, of unit length over channels, for float32 (B, 3, H, W) in [0, 1]."""
        x = (2 * x - 1 - self.shift) / self.scale
        for number, layer in zip(LAYERS, self.convolutions, strict=True):
            if number in POOL_BEFORE:
                x = F.max_pool2d(x, 3, 2)
            x = F.relu(layer(x))
            yield x * torch.rsqrt(x.square().sum(1, keepdim=True) + TINY)

    def forward(self, x: Tensor, target: Tensor) -> Tensor:
        """Distance of each picture of a batch.

        Args:
            x, target: float32 (B, 3, H, W), nominally in [0, 1], sides at least `MIN_SIDE` pixels.

        Returns:
            float32 (B,), 0 for equal pictures, no upper bound (rarely above 1).
        """
        pairs = zip(self.features(x), self.features(target), self.heads, strict=True)
        levels = [((a - b).square() * head).sum(1).mean((1, 2)) for a, b, head in pairs]
        return torch.stack(levels).sum(0)


def load_lpips(path: str | os.PathLike[str]) -> LPIPS:
    """LPIPS from a safetensors file with the tensors that `LPIPS` names.

    Raises:
        WeightsError: no such file, not a safetensors file, or other tensors.
    """
    try:
        return LPIPS(load_tensors(path))
    except WeightsError as error:
        raise WeightsError(f"LPIPS weights: {error}") from error


def _take(arrays: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> Tensor:
    if name not in arrays:
        raise WeightsError(f"the file lacks {name}.")
    if arrays[name].shape != tuple(shape):
        raise WeightsError(f"{name} has shape {arrays[name].shape}, expected {tuple(shape)}.")
    return torch.from_numpy(np.array(arrays[name], np.float32))


class Lpips:
    """LPIPS v0.1 by AlexNet, picture by picture."""

    name, backbone, lower_is_better = "LPIPS", "Alex v0.1", True
    scope: Literal["picture"] = "picture"
    protocol = "LPIPS v0.1, AlexNet, on the whole decoded 8-bit RGB picture in [-1, 1]; mean over pictures"

    def __init__(self, network: LPIPS, device: str = "cpu") -> None:
        self._network, self._device = network.to(device), device

    @classmethod
    def load(cls, path: Path, device: str) -> Lpips:
        """From a file.

        Raises:
            WeightsError: not readable, or other weights than those of LPIPS v0.1.
        """
        made = cls(load_lpips(path), device)
        made.refuse_others(str(path))
        return made

    def __call__(self, reference: Pixels, picture: Pixels) -> float | None:
        if min(reference.shape[:2]) < MIN_SIDE:
            return None
        # TF32 would move the distance in its third digit.
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return float(self._network(self._tensor(picture), self._tensor(reference)))

    def refuse_others(self, where: str) -> None:
        """Check the network on a pattern: a distance by other weights must not be reported as LPIPS.

        Args:
            where: the file, for the message.

        Raises:
            WeightsError: it is not LPIPS v0.1 with AlexNet.
        """
        y, x = np.mgrid[:64, :64]
        first = np.stack([(x * 3 + y * c) % 256 for c in (1, 2, 5)], 2).astype(np.uint8)
        distance = self(first, first[::-1, :, ::-1])
        if distance is None or abs(distance - _LPIPS_OF_PATTERN) > 1e-3:
            raise WeightsError(f"{where} has the tensors of LPIPS, but not the values of LPIPS v0.1 with AlexNet.")

    def _tensor(self, pixels: Pixels) -> Tensor:
        return torch.from_numpy(pixels.copy()).to(self._device).permute(2, 0, 1)[None].float() / 255


_LPIPS_OF_PATTERN = 0.48255
