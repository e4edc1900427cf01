"""Swin layers on timm's blocks, and the changes of resolution between them.

Source: Zhu et al. 2022, "Transformer-based Transform Coding". Tensors are (B, H, W, C) inside; `Channels` carries them
from and to (B, C, H, W). Sizes are free: timm pads a map to whole windows and masks what a shift brings together.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.models.swin_transformer import PatchMerging, SwinTransformerBlock
from torch import Tensor, nn

from codectk_egic.config import Layer


def to_depth(x: Tensor, factor: int) -> Tensor:
    """(B, H, W, C) -> (B, H / factor, W / factor, factor^2 C)."""
    b, h, w, c = x.shape
    x = x.view(b, h // factor, factor, w // factor, factor, c)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(b, h // factor, w // factor, -1)


def to_space(x: Tensor, factor: int) -> Tensor:
    """(B, H, W, factor^2 C) -> (B, factor H, factor W, C)."""
    b, h, w, c = x.shape
    x = x.reshape(b, h, w, factor, factor, c // factor**2)
    return x.permute(0, 1, 3, 2, 4, 5).reshape(b, h * factor, w * factor, -1)


class PatchSplitting(nn.Module):
    """Resolution times two: linear without bias to 4 out, layer norm, depth to space."""

    def __init__(self, dim: int, out: int):
        super().__init__()
        self.expansion = nn.Linear(dim, 4 * out, bias=False)
        self.norm = nn.LayerNorm(4 * out)

    def forward(self, x: Tensor) -> Tensor:
        return to_space(self.norm(self.expansion(x)), 2)


class PatchUnpack(nn.Module):
    """Resolution times `factor`: linear with bias to factor^2 out, depth to space.

    With a `kernel` of 3 a patch is made from its neighbors' features too, so that seams between patches can close.
    """

    def __init__(self, dim: int, out: int, factor: int, kernel: int = 1):
        super().__init__()
        self.expansion = nn.Conv2d(dim, factor**2 * out, kernel, padding=kernel // 2)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return to_space(self.expansion(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1), self.factor)


class PatchEmbed(nn.Module):
    """Convolution over blocks without overlap: (B, H, W, C) -> (B, H / factor, W / factor, out)."""

    def __init__(self, dim: int, out: int, factor: int):
        super().__init__()
        self.projection = nn.Linear(factor**2 * dim, out)
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return self.projection(to_depth(x, self.factor))


class Shortcut(nn.Module):
    """A change of resolution by two with its input beside it, folded or unfolded (Chen et al. 2024, "Deep Compression
    Autoencoder"). The norms in the change of resolution take the size of a signal away; this keeps it.

    Args:
        down: whether the resolution is halved.
    """

    def __init__(self, resample: nn.Module, out: int, down: bool):
        super().__init__()
        self.resample, self.out, self.down = resample, out, down

    def forward(self, x: Tensor) -> Tensor:
        beside = fit_channels(to_depth(x, 2), self.out) if self.down else to_space(fit_channels(x, 4 * self.out), 2)
        changed: Tensor = self.resample(x)
        return changed + beside


def fit_channels(x: Tensor, channels: int) -> Tensor:
    """Means of neighboring channels where there are too many, copies where there are too few: (..., C)."""
    have = x.shape[-1]
    if have <= channels:
        return x.repeat_interleave(-(-channels // have), -1)[..., :channels]
    group = -(-have // channels)
    return F.pad(x, (0, group * channels - have)).unflatten(-1, (channels, group)).mean(-1)


class BasicLayer(nn.Sequential):
    """Swin blocks, every second one with shifted windows, then `resample` if there is one.

    timm's window attention, with relative position bias; no dropout.
    """

    def __init__(self, layer: Layer, head_dim: int, mlp_ratio: float, resample: nn.Module | None = None):
        blocks: list[nn.Module] = [
            SwinTransformerBlock(
                layer.dim,
                layer.window,  # the size of the map is not known; always_partition makes this a formality
                num_heads=layer.dim // head_dim,
                window_size=layer.window,
                shift_size=layer.window // 2 if number % 2 else 0,
                always_partition=True,
                dynamic_mask=True,
                mlp_ratio=mlp_ratio,
            )
            for number in range(layer.depth)
        ]
        super().__init__(*blocks, *([] if resample is None else [resample]))


def down_layers(layers: tuple[Layer, ...], head_dim: int, mlp_ratio: float, shortcuts: bool = False) -> nn.Sequential:
    """Layers that halve the resolution by patch merging where they resample."""
    made = []
    for number, layer in enumerate(layers):
        merge: nn.Module | None = None
        if layer.resample:
            after = layers[number + 1].dim
            merge = PatchMerging(layer.dim, after)
            merge = Shortcut(merge, after, down=True) if shortcuts else merge
        made.append(BasicLayer(layer, head_dim, mlp_ratio, merge))
    return nn.Sequential(*made)


def up_layers(
    layers: tuple[Layer, ...], out: int, head_dim: int, mlp_ratio: float, shortcuts: bool = False
) -> nn.Sequential:
    """Layers that double the resolution by patch splitting where they resample; the last one gives `out` channels."""
    made = []
    for layer, after in zip(layers, [*(layer.dim for layer in layers[1:]), out], strict=True):
        split: nn.Module | None = None
        if layer.resample:
            split = PatchSplitting(layer.dim, after)
            split = Shortcut(split, after, down=False) if shortcuts else split
        made.append(BasicLayer(layer, head_dim, mlp_ratio, split))
    return nn.Sequential(*made)


class Channels(nn.Module):
    """Runs a (B, H, W, C) module between (B, C, H, W) tensors."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.module(x.permute(0, 2, 3, 1).contiguous())
        return out.permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last)
