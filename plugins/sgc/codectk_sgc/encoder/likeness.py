"""How unlike two pictures are in what a network for things in photos sees of them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from codectk_labels.backbone import Backbone


class Likeness:
    """Compares pictures in frozen ImageNet features at strides 4, 8, 16 and 32.

    At every position, the features are brought to length 1 over the channels, as Zhang et al. (2018, arXiv 1801.03924)
    do; unlike theirs, nothing here was fitted to what people say, so the numbers are good for comparing pictures of
    one original and for nothing else.
    """

    def __init__(self) -> None:
        self._backbone: Backbone | None = None

    def backbone(self, device: torch.device) -> Backbone:
        """The features, read when they are first needed: only few encodings compare."""
        if self._backbone is None:
            self._backbone = Backbone()
        return self._backbone.to(device)

    @torch.inference_mode()
    def distance(self, one: Tensor, other: Tensor) -> float:
        """Mean squared difference of the features: over positions, then over strides; 0 for equal pictures, at most 4.

        Args:
            one, other: float (1, 3, H, W) in [0, 1], sides multiples of 32.
        """
        backbone = self.backbone(one.device)
        apart = []
        for features in backbone(torch.cat([one, other]).float()):
            first, second = F.normalize(features, dim=1)
            apart.append((first - second).square().sum(0).mean())
        return float(torch.stack(apart).mean())
