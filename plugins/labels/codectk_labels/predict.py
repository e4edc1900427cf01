"""Label maps of pictures of any size."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

SIDES = (320, 480)
"""Longer sides, in pixels, at which a picture is looked at; the answers are averaged."""


Logits = Callable[[Tensor], Tensor]
"""A segmenter: float (B, N, H, W) of pictures float (B, 3, H, W) in [0, 1] of any size."""


def probabilities(segmenter: Logits, x: Tensor, sides: Sequence[int] = SIDES) -> Tensor:
    """Probability of every group at every pixel, averaged over scales and mirror images.

    The head was trained on pictures about as large as `SIDES`; larger ones are reduced first, which is also what
    keeps the cost independent of the picture's size.

    Args:
        segmenter: trained.
        x: float (B, 3, H, W) in [0, 1].
        sides: longer sides to look at; pictures are not enlarged for it.

    Returns:
        float (B, N, H, W); channel k is label k + 1.
    """
    height, width = x.shape[-2:]
    total = torch.zeros(())
    views = sorted({min(side, max(height, width)) for side in sides})
    with torch.inference_mode():
        for side in views:
            scale = side / max(height, width)
            size = (max(round(height * scale), 1), max(round(width * scale), 1))
            small = functional.interpolate(x, size, mode="bilinear", antialias=True) if scale < 1 else x
            both = segmenter(torch.cat((small, small.flip(-1)))).softmax(1)
            plain, mirrored = both.chunk(2)
            mean = (plain + mirrored.flip(-1)) / (2 * len(views))
            total = total + (functional.interpolate(mean, (height, width), mode="bilinear") if scale < 1 else mean)
    return total


def label_map(segmenter: Logits, pixels: np.ndarray, sides: Sequence[int] = SIDES) -> np.ndarray:
    """Most probable label of every pixel.

    Args:
        segmenter: trained.
        pixels: uint8 (H, W, 3), sRGB.
        sides: as in `probabilities`.

    Returns:
        uint8 (H, W), 1..N.
    """
    x = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).unsqueeze(0).float() / 255
    return (probabilities(segmenter, x, sides)[0].argmax(0) + 1).to(torch.uint8).numpy()
