"""Whether a picture is a face at all: whether the generator can paint something like it.

ImageNet features at a thirty-second of the picture's side tell what is there and care little for whose it is.
"""

from __future__ import annotations

import torch
from torch import Tensor

LIMIT = 1.45
"""Squared distance of the features' directions, 0 to 4. Real portraits that show both eyes have 0.6 to 1.4, profiles
and covered faces 1.3 to 1.8, other pictures 1.5 to 2."""


@torch.no_grad()
def unlikeness(painted: Tensor, original: Tensor) -> float:
    """How little two pictures show the same kind of thing.

    Args:
        painted, original: the coarsest features of each, (1, C, h, w).
    """
    a, b = (part.float() / part.float().norm(dim=1, keepdim=True).clamp_min(1e-6) for part in (painted, original))
    return float((a - b).square().sum(1).mean())
