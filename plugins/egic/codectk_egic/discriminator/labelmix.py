"""LabelMix (Sushko et al. 2021, section 3.2): a mixture of real and fake along label borders must be judged as the
mixture of the judgments."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def draw_table(classes: int) -> Tensor:
    """One of two sources for each label 0..classes: bool (classes + 1,).

    Void is a label like any other here. The draw is the whole batch's and comes from torch's global generator on the
    CPU, which the trainer seeds per step, so that resumed and split runs mix alike.
    """
    return torch.randint(2, (classes + 1,)).bool()


def mask_of(labels: Tensor, table: Tensor) -> Tensor:
    """Where the mixture is real: bool (B, 1, H, W) for int64 labels (B, H, W) and a table by label."""
    return table.to(labels.device)[labels][:, None]


def mixture(mask: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """`real` where the mask is True, else `fake`; pictures or logits (B, C, H, W)."""
    return torch.where(mask, real, fake)


def inconsistency(mixed: Tensor, mask: Tensor, real: Tensor, fake: Tensor) -> Tensor:
    """Mean squared difference of all logits (B, C, H, W): float32 scalar."""
    return F.mse_loss(mixed.float(), mixture(mask, real, fake).float())
