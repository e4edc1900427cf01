"""Regions: masks in training, a fixed grid when coding, one representation for both, on arrays of any library.

A partition is an id per position at the stride of y. Finer maps are its nearest upsampling, so a region that
exists at one scale exists at all of them and no empty region ever costs bits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from array_api_compat import array_namespace, device

from codectk.base.errors import ContractError, UsageError
from codectk.base.types import Context

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

    ids: Any
    count: int
    grid: int | None = None

    def at(self, height: int, width: int) -> Any:
        """Ids (B, height, width) at a finer scale, by nearest upsampling with integer arithmetic."""
        xp, where = array_namespace(self.ids), device(self.ids)
        rows = xp.arange(height, device=where) * self.ids.shape[1] // height
        columns = xp.arange(width, device=where) * self.ids.shape[2] // width
        return self.ids[:, rows][:, :, columns]

    def pool(self, features: Any, cell_slack: float = AREA_SLACK) -> Any:
        """Mean feature of each region: (B, C, H, W) -> prototypes (B, C, count, 1); absent regions give 0.

        Args:
            cell_slack: added to the areas of grid cells; masks always get `AREA_SLACK`.
        """
        batch, channels, height, width = features.shape
        xp = array_namespace(features)
        member = xp.astype(self._members(self.at(height, width)), features.dtype)  # (B, HW, R)
        total = xp.matmul(xp.reshape(features, (batch, channels, -1)), member)
        slack = AREA_SLACK if self.grid is None else cell_slack
        return (total / (xp.sum(member, axis=1)[:, None] + slack))[..., None]

    def expand(self, prototypes: Any, height: int, width: int) -> Any:
        """Every position receives its region's prototype: (B, C, count, 1) -> (B, C, height, width)."""
        xp = array_namespace(prototypes)
        batch, channels = prototypes.shape[:2]
        ids = xp.broadcast_to(
            xp.reshape(self.at(height, width), (-1, 1, height * width)), (batch, channels, height * width)
        )
        return xp.reshape(xp.take_along_axis(prototypes[..., 0], ids, axis=2), (batch, channels, height, width))

    def present(self) -> Any:
        """bool (B, count): which ids occur."""
        return array_namespace(self.ids).any(self._members(self.ids), axis=1)

    def _members(self, ids: Any) -> Any:
        """bool (B, positions, count): whose every position is."""
        xp = array_namespace(ids)
        return xp.reshape(ids, (ids.shape[0], -1, 1)) == xp.arange(self.count, device=device(ids))


def regions_of(condition: Any, labels: int) -> Regions:
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
    if not labels or condition.ndim != 3 or (0 not in condition.shape and int(condition.max()) >= labels):
        raise ContractError(f"SegPIC was built for {labels or 'no'} labels, and its conditioning stage gives others.")
    return Regions(condition, labels)


def grid_regions(grid: int, batch: int, height: int, width: int, like: Any) -> Regions:
    """The G x G grid over latents of height x width positions (stride 16), whatever the aspect ratio.

    A side with fewer than G positions gets one cell per position, so that no cell is empty.

    Args:
        like: an array of the library and on the device on which the partition is wanted.
    """
    xp, where = array_namespace(like), device(like)
    down, across = min(grid, height), min(grid, width)
    rows = xp.arange(height, device=where) * down // height
    columns = xp.arange(width, device=where) * across // width
    ids = rows[:, None] * across + columns[None, :]
    return Regions(xp.broadcast_to(ids, (batch, height, width)), down * across, grid)


def coding_grid(batch: int, ctx: Context, like: Any) -> Regions:
    """The partition of pictures that are coded: the grid whose size is the knob `grid`.

    Raises:
        UsageError: there is no such grid.
    """
    grid = int(ctx.knobs["grid"])
    if grid not in GRIDS:
        raise UsageError(f"grid must be one of {', '.join(map(str, GRIDS))}, not {grid}.")
    return grid_regions(grid, batch, ctx.height // 16, ctx.width // 16, like)
