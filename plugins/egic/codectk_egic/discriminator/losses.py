"""Losses on logits, in float32 whatever the logits are."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from codectk.base.errors import ContractError

IGNORED = -1
"""Target of a pixel that does not count."""

WEIGHT_MIN, WEIGHT_MAX = 0.2, 5.0
"""Bounds of class weights; without them one pixel of a rare class would weigh as much as the sky."""


def targets_of(labels: Tensor | None, classes: int) -> Tensor:
    """Label maps (0 void, 1..classes) to targets (`IGNORED`, 0..classes-1), int64 (B, H, W).

    Raises:
        ContractError: there are no labels, or labels above `classes`.
    """
    if labels is None:
        raise ContractError("This critic needs label maps; name their folder in the recipe.")
    if (largest := int(labels.max())) > classes:
        raise ContractError(f"There is a label {largest}, but the critic has {classes} classes.")
    return labels - 1


def class_weights(targets: Tensor, classes: int) -> Tensor:
    """Inverse frequencies over the batch (Sushko et al. 2021, section 3.1), clipped: float32 (classes,).

    A class with its fair share of the counted pixels, 1 / (number of classes present), weighs 1.
    """
    counts = torch.bincount(targets[targets >= 0], minlength=classes).float()
    fair = counts.sum() / (counts > 0).sum().clamp_min(1)
    return (fair / counts.clamp_min(1)).clamp(WEIGHT_MIN, WEIGHT_MAX)


def cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor | None = None) -> Tensor:
    """Weighted sum over the counted pixels of each picture, divided by their number.

    Args:
        logits: (B, C, H, W).
        targets: int64 (B, H, W) in 0..C-1, or `IGNORED`.
        weights: (C,) or None for ones.

    Returns:
        float32 (B,); 0 for a picture without a counted pixel.
    """
    counted = targets >= 0
    at = targets.clamp_min(0)
    # Not F.cross_entropy: on a GPU it has no repeatable form.
    loss = -F.log_softmax(logits.float(), 1).gather(1, at[:, None])[:, 0]
    scale = counted.float() if weights is None else counted * weights[at]
    return (loss * scale).sum((1, 2)) / counted.sum((1, 2)).clamp_min(1)


def share(hits: Tensor, counted: Tensor | None = None) -> Tensor:
    """Share of True among the counted pixels, float32 scalar; 0 if there is none."""
    if counted is None:
        return hits.float().mean()
    return (hits & counted).sum() / counted.sum().clamp_min(1)


def real_loss(logits: Tensor) -> Tensor:
    """Non-saturating loss for "real", -log sigmoid(logit), mean per picture: float32 (B,)."""
    return F.softplus(-logits.float()).flatten(1).mean(1)


def fake_loss(logits: Tensor) -> Tensor:
    """Non-saturating loss for "fake", mean per picture: float32 (B,)."""
    return F.softplus(logits.float()).flatten(1).mean(1)
