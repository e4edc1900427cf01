"""The encoder: a picture becomes a label map and a color map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.spec.stages import LatentSpec
from codectk_sgc.colors.quantize import quantize
from codectk_sgc.colors.reduce import color_map
from codectk_sgc.config import Config
from codectk_sgc.encoder.deeplab import DeepLabV2
from codectk_sgc.encoder.likeness import Likeness
from codectk_sgc.encoder.segmenter import Segmenter
from codectk_sgc.entropy import REDUCED
from codectk_sgc.labels.reduce import majority
from codectk_sgc.size import working_size


def reduced(x: Tensor) -> Tensor:
    """Pictures (B, 3, H, W) in [0, 1] at the size at which SGC looks at them."""
    size = working_size(*x.shape[-2:])
    if size == tuple(x.shape[-2:]):
        return x
    return F.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False).clamp(0, 1)


def segmenter(config: Config) -> Segmenter | DeepLabV2:
    """The untrained segmenter of a configuration."""
    if config.segmenter == "deeplab_v2":
        return DeepLabV2(config.classes, config.seg_width, config.seg_blocks)
    return Segmenter(config.classes)


CELL = 32
"""Pixels of the color map's cells."""

BUSY = 12.5
"""What `unsaid` comes to in no photo: at most 11.8 in 707 (99 % below 7.4), while checkerboards, noise and text up to
16 pixels have 13 to 510. Large text in colors (6 to 15) and drawings (2 to 6) cannot be told from photos by it."""


def unsaid(picture: Tensor) -> float:
    """How much of a picture neither of the maps can say, as contrast times fineness.

    Args:
        picture: float (1, 3, h, w) in [0, 1], as `reduced` gives it.

    Returns:
        RMS of what a map of mean colors leaves, times the mean absolute Laplacian in grey levels of 255.
    """
    colors = F.avg_pool2d(picture, CELL, ceil_mode=True, count_include_pad=False)
    left = picture - F.interpolate(colors, picture.shape[-2:], mode="bilinear")
    inner = picture[..., 1:-1, 1:-1]
    beside = picture[..., :-2, 1:-1] + picture[..., 2:, 1:-1] + picture[..., 1:-1, :-2] + picture[..., 1:-1, 2:]
    return float(left.square().mean().sqrt() * (4 * inner - beside).abs().mean() * 255)


class Prepared(NamedTuple):
    """A picture (1, 3, h, w) at the size at which SGC looks at it, and its maps by name."""

    picture: Tensor
    maps: Mapping[str, Any]


class Analysis(nn.Module):
    """Pixels to both maps.

    Args:
        config: number of labels and which segmenter.

    Attributes:
        compact: see `codectk.nn.storage`.
    """

    produces: tuple[LatentSpec, ...] = REDUCED
    compact = ("segmenter",)

    def __init__(self, config: Config):
        super().__init__()
        self.segmenter = segmenter(config)
        self._likeness = Likeness()

    def __call__(self, x: Tensor, condition: Any, ctx: Context) -> Mapping[str, Any]:
        return self.finish(self.prepare(x, condition, ctx), ctx)

    @torch.inference_mode()
    def prepare(self, x: Tensor, condition: Any, ctx: Context) -> Prepared:
        """Everything: no knob changes the maps."""
        small = reduced(x)
        labels = self.segmenter.probabilities(small)[0].argmax(0)
        pixels = small[0].permute(1, 2, 0).float().cpu().numpy()
        colors = quantize(color_map(np.ascontiguousarray(pixels)))
        return Prepared(small, {"labels": majority(labels.cpu().numpy()), "colors": colors})

    def finish(self, prepared: Prepared, ctx: Context) -> Mapping[str, Any]:
        return prepared.maps

    def outside(self, prepared: Prepared, ctx: Context) -> str | None:
        """See `codectk.spec.capabilities.JudgingAnalysis` and `BUSY`."""
        if unsaid(prepared.picture) <= BUSY:
            return None
        return (
            "This does not look like the outdoor scenes that codec 'sgc' paints: neither labels nor colors say its "
            "fine detail of strong contrast, such as text or patterns, and something else comes back. "
            "Codec 'segpic' keeps it, codec 'palette' (codectk-palette) where there are few colors."
        )

    def distance(self, prepared: Prepared, painted: Tensor, ctx: Context) -> float:
        """See `codectk.spec.capabilities.ComparingAnalysis` and `Likeness`."""
        return self._likeness.distance(prepared.picture, reduced(painted))
