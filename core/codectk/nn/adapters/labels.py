"""Label maps of pixels become label maps of latents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.errors import ContractError, UsageError
from codectk.base.types import Context
from codectk.spec.stages import LatentSpec


class LabelResize(nn.Module):
    """Label maps, int64 (B, H, W) with `void` for unknown, at the stride of a latent.

    Every position gets the label that most of its pixels have, and one without any gets that of the nearest position
    that has one. It stands behind the conditioning stage; latents pass it as they are.

    Args:
        stride: pixels per position.
        classes: labels are below this number.
        void: the label that says nothing, or None if all say something.
    """

    outer: tuple[LatentSpec, ...] = ()
    inner: tuple[LatentSpec, ...] = ()

    def __init__(self, stride: int = 16, classes: int = 256, void: int | None = 0):
        super().__init__()
        if stride < 1 or classes < 1:
            raise UsageError("core.labels needs a stride and a number of classes of at least one.")
        self.stride, self.classes, self.void = stride, classes, void
        self.tells = f"labels at stride {stride}"

    def join(self, outside: Sequence[LatentSpec], inside: Sequence[LatentSpec]) -> None:
        """Nothing to learn: no latent changes."""

    def condition(self, condition: Any, ctx: Context) -> Tensor:
        """Label maps (B, H, W) to (B, ceil(H / stride), ceil(W / stride)).

        Raises:
            ContractError: the conditioning stage gave no label maps, or a label is out of range.
        """
        if not isinstance(condition, Tensor) or condition.dim() != 3 or condition.is_floating_point():
            raise ContractError("core.labels takes label maps, integers (B, H, W), from the conditioning stage.")
        if condition.numel() and not (condition.min() >= 0 and condition.max() < self.classes):
            raise ContractError(f"core.labels knows the labels 0 to {self.classes - 1} only; set classes.")
        return fill(majority(condition.long(), self.stride, self.classes, self.void), self.void)

    def enter(self, values: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        return values

    def leave(self, latents: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        return latents


def majority(labels: Tensor, stride: int, classes: int, void: int | None) -> Tensor:
    """The most frequent label of each block; the smallest of several, and `void` where there is no other.

    Args:
        labels: int64 (B, H, W), 0 .. classes - 1.
        stride: side of a block in pixels; blocks at the far borders may be smaller.

    Returns:
        int64 (B, ceil(H / stride), ceil(W / stride)).
    """
    batch, height, width = labels.shape
    rows, columns = -(-height // stride), -(-width // stride)
    down = torch.arange(height, device=labels.device) // stride
    across = torch.arange(width, device=labels.device) // stride
    block = (down[:, None] * columns + across).expand(batch, -1, -1)
    counts = torch.zeros(batch, rows * columns * classes, dtype=torch.int64, device=labels.device)
    counts.scatter_add_(1, (block * classes + labels).flatten(1), torch.ones_like(labels).flatten(1))
    counts = counts.view(batch, rows, columns, classes)
    if void is not None and void < classes:
        counts[..., void] = 0
        counts[..., void] = (counts.sum(-1) == 0).long()
    return counts.argmax(-1)


def fill(labels: Tensor, void: int | None) -> Tensor:
    """Give void positions the label of the nearest other one (in rows and columns, whichever differs more).

    Args:
        labels: int64 (B, h, w); a map that is void everywhere stays so.
    """
    if void is None:
        return labels
    reach = max(labels.shape[1:])
    for _ in range(reach):
        empty = labels == void
        known = ~empty
        if not (empty.flatten(1).any(1) & known.flatten(1).any(1)).any():
            break
        # Labels count from one here, so that zero stands for nothing, also beyond the border.
        around = F.unfold(((labels + 1) * known)[:, None].double(), 3, padding=1).long().view(len(labels), 9, -1)
        best = around.amax(1).view_as(labels)
        labels = torch.where(empty & (best > 0), best - 1, labels)
    return labels
