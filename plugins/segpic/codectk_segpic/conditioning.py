"""Where regions come from: the grid when coding, privileged masks mixed with grids in training."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.types import Context
from codectk_segpic.regions import Regions, coding_grid, grid_regions


class Conditioning(nn.Module):
    """Regions of a batch (B, 3, H, W).

    In evaluation: the grid whose size is the knob `grid`. In training: with probability `p_grid` a grid of 1, 2
    or 4 cells a side, else k-means regions of each picture (class-agnostic masks, not transmitted).

    Args:
        p_grid: share of training batches that use the grid.
        clusters: regions per training crop.
    """

    tells = "regions"

    def __init__(self, p_grid: float = 0.75, clusters: int = 8):
        super().__init__()
        self.p_grid, self.clusters = p_grid, clusters

    def forward(self, x: Tensor, ctx: Context) -> Regions:
        batch, height, width = x.shape[0], ctx.height // 16, ctx.width // 16
        if not self.training:
            return coding_grid(batch, ctx, x)
        if torch.rand(()) < self.p_grid:
            grid = (1, 2, 4)[int(torch.randint(3, ()))]
            return grid_regions(grid, batch, height, width, x)
        return Regions(kmeans_regions(x, height, width, self.clusters), self.clusters)


@torch.no_grad()
def kmeans_regions(x: Tensor, height: int, width: int, clusters: int, rounds: int = 6) -> Tensor:
    """k-means on mean color and position of the stride-16 cells.

    Args:
        x: float32 (B, 3, H, W) in [0, 1].

    Returns:
        int64 ids (B, height, width) in 0..clusters-1. Centers start on random cells.
    """
    batch = x.shape[0]
    color = F.adaptive_avg_pool2d(x.float(), (height, width)).flatten(2).transpose(1, 2)  # (B, T, 3)
    at = torch.stack(torch.meshgrid(torch.linspace(0, 1, height), torch.linspace(0, 1, width), indexing="ij"), -1)
    position = at.reshape(1, -1, 2).expand(batch, -1, -1).to(x.device)
    points = torch.cat([3 * color, position], 2)
    start = torch.randperm(height * width)[:clusters]
    centers = points[:, start]
    for _ in range(rounds):
        nearest = torch.cdist(points, centers).argmin(2)
        member = F.one_hot(nearest, centers.shape[1]).float()  # (B, T, K)
        size = member.sum(1)[..., None]
        centers = torch.where(size > 0, member.transpose(1, 2) @ points / size.clamp_min(1), centers)
    return nearest.view(batch, height, width)
