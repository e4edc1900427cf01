"""Regions: masks in training, a fixed grid when coding, one representation for both.

A partition is an id per position at the stride of y. Finer maps are its nearest upsampling, so a region that
exists at one scale exists at all of them and no empty region ever costs bits.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from codectk.base.errors import ContractError

GRIDS = (1, 2, 4, 8)
"""Grid sizes a file can carry (two bits)."""

AREA_SLACK = 0.0005
"""Added to areas in positions, so that a region without any has a mean. The published code does so for masks only."""


@dataclass(frozen=True)
class Regions:
    """A partition of a picture (or of each picture of a batch).

    Attributes:
        ids: int64 (B, h, w) at stride 16, region of every position, 0 .. count-1.
        count: number of ids the maps may use.
        grid: G if this is the G x G grid, else None (privileged masks, training only).
    """

    ids: Tensor
    count: int
    grid: int | None = None

    def at(self, height: int, width: int) -> Tensor:
        """Ids (B, height, width) at a finer scale, by nearest upsampling with integer arithmetic."""
        rows = torch.arange(height, device=self.ids.device) * self.ids.shape[1] // height
        columns = torch.arange(width, device=self.ids.device) * self.ids.shape[2] // width
        return self.ids[:, rows][:, :, columns]

    def pool(self, features: Tensor, cell_slack: float = AREA_SLACK) -> Tensor:
        """Mean feature of each region: (B, C, H, W) -> prototypes (B, C, count, 1); absent regions give 0.

        Args:
            cell_slack: added to the areas of grid cells; masks always get `AREA_SLACK`.
        """
        batch, channels, height, width = features.shape
        ids = self.at(height, width).reshape(batch, -1)
        member = F.one_hot(ids, self.count).to(features.dtype)  # (B, HW, R)
        total = torch.bmm(features.reshape(batch, channels, -1), member)
        slack = AREA_SLACK if self.grid is None else cell_slack
        return (total / (member.sum(1)[:, None] + slack)).unsqueeze(-1)

    def expand(self, prototypes: Tensor, height: int, width: int) -> Tensor:
        """Every position receives its region's prototype: (B, C, count, 1) -> (B, C, height, width)."""
        ids = self.at(height, width).reshape(self.ids.shape[0], 1, -1)
        ids = ids.expand(prototypes.shape[0], prototypes.shape[1], -1)
        return prototypes.squeeze(-1).gather(2, ids).reshape(*prototypes.shape[:2], height, width)

    def present(self) -> Tensor:
        """bool (B, count): which ids occur."""
        return F.one_hot(self.ids.flatten(1), self.count).any(1)


def regions_of(condition: Regions | Tensor, labels: int) -> Regions:
    """What a conditioning stage said, as a partition.

    Args:
        condition: a partition, or a label map int64 (B, h, w) at stride 16.
        labels: how many labels there are, or 0 where a partition is expected.

    Raises:
        ContractError: it is the other one of the two, or a label is out of range.
    """
    if isinstance(condition, Regions):
        if labels:
            raise ContractError("SegPIC with labels takes label maps from its conditioning stage, not regions.")
        return condition
    if not labels or condition.dim() != 3 or (condition.numel() and int(condition.max()) >= labels):
        raise ContractError(f"SegPIC was built for {labels or 'no'} labels, and its conditioning stage gives others.")
    return Regions(condition, labels)


def grid_regions(grid: int, batch: int, height: int, width: int, device: torch.device | str = "cpu") -> Regions:
    """The G x G grid over latents of height x width positions (stride 16), whatever the aspect ratio.

    A side with fewer than G positions gets one cell per position, so that no cell is empty.
    """
    down, across = min(grid, height), min(grid, width)
    rows = torch.arange(height, device=device) * down // height
    columns = torch.arange(width, device=device) * across // width
    ids = rows[:, None] * across + columns[None, :]
    return Regions(ids.expand(batch, -1, -1), down * across, grid)
