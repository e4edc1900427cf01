"""Tiles of large pictures: where to cut, and how neighbors fade into each other.

A picture up to the codec's tile size is one piece. A larger one is cut into as few tiles as that size allows, all about
alike, so that no tile is a sliver; sides are multiples of the codec's stride, since padding costs bits in each tile.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from codectk.base.errors import ContractError, UsageError
from codectk.bitstream.tiles import MIN_TILE, OVERLAP, Box, Grid
from codectk.picture.convert import to_float, to_uint8

Floats = npt.NDArray[np.float32]


def plan(width: int, height: int, tile: int, stride: int, overlap: int = OVERLAP) -> Grid | None:
    """How to cut a picture.

    Args:
        width, height: of the picture in pixels.
        tile: largest side of a tile in pixels, at least 64 and at least one stride more than the overlap.
        stride: of the codec in pixels.
        overlap: pixels that neighbors share.

    Returns:
        The grid, or None for a picture that is one piece.

    Raises:
        ContractError: the tile size is too small.
    """
    if tile < max(MIN_TILE, 2 * overlap, stride + overlap):
        raise ContractError(f"Tiles of {tile} pixels are too small for stride {stride} and an overlap of {overlap}.")
    if width <= tile and height <= tile:
        return None
    return Grid(_side(width, tile, stride, overlap), _side(height, tile, stride, overlap), overlap)


def _side(length: int, tile: int, stride: int, overlap: int) -> int:
    side = length
    if length > tile:
        tiles = -(-(length - overlap) // (tile // stride * stride - overlap))
        even = -(-(length + (tiles - 1) * overlap) // tiles)
        side = -(-even // stride) * stride
    return max(side, MIN_TILE, 2 * overlap)


class Blend:
    """Tiles become rows of a picture, or of a part of it.

    Takes the tiles of `touching` in their order, and gives back rows as soon as no later tile touches them. It holds
    one row of tiles.

    Args:
        grid: how the picture was cut.
        width, height: of the picture in pixels.
        region: the part that is wanted.
    """

    def __init__(self, grid: Grid, width: int, height: int, region: Box) -> None:
        self._grid, self._width, self._height, self._region = grid, width, height, region
        self._tops = [box.y for _, box in touching(grid, width, height, region)]
        self._band: Floats = np.zeros((0, region.width, 3), np.float32)
        self._top = region.y

    def add(self, box: Box, pixels: Floats) -> Floats:
        """Put the next tile in its place.

        Args:
            box: where it lies.
            pixels: float32 (box.height, box.width, 3).

        Returns:
            float32 (n, region.width, 3): the rows that are now final, below those given before; n is 0 within a row of
            tiles.
        """
        if pixels.shape != (box.height, box.width, 3):
            raise ContractError(f"A tile has shape {pixels.shape} instead of {(box.height, box.width, 3)}.")
        region, overlap = self._region, self._grid.overlap
        left, right = max(box.x, region.x), min(box.right, region.right)
        top, bottom = max(box.y, region.y), min(box.bottom, region.bottom)
        missing = bottom - self._top - len(self._band)
        if missing > 0:
            self._band = np.concatenate([self._band, np.zeros((missing, region.width, 3), np.float32)])
        down = ramp(box.height, overlap, before=box.y > 0, after=box.bottom < self._height)
        across = ramp(box.width, overlap, before=box.x > 0, after=box.right < self._width)
        inside = slice(top - box.y, bottom - box.y), slice(left - box.x, right - box.x)
        weight = (down[:, None] * across)[inside]
        place = slice(top - self._top, bottom - self._top), slice(left - region.x, right - region.x)
        self._band[place] += pixels[inside] * weight[:, :, None]
        self._tops.pop(0)
        if self._tops and self._tops[0] == box.y:
            return self._band[:0]
        final = max(self._tops[0] - self._top, 0) if self._tops else len(self._band)
        rows, self._band = self._band[:final], self._band[final:].copy()
        self._top += final
        return rows


SCALES = (1, 2, 4, 8)
"""By what a picture can be reduced while it is decoded."""


class Reduced:
    """Rows of floats become 8-bit pixels, reduced by a whole number: each is the mean of those it stands for.

    Args:
        width, height: of what will be added, in pixels.
        scale: how many rows and columns become one; the last ones may be fewer.
    """

    def __init__(self, width: int, height: int, scale: int) -> None:
        self._scale, self._at = scale, 0
        self._columns = np.arange(0, width, scale)
        self._across = np.diff(np.append(self._columns, width))[:, None]
        self._pending: Floats = np.zeros((0, width, 3), np.float32)
        self._height = height
        self.pixels: npt.NDArray[np.uint8] = np.zeros((-(-height // scale), len(self._columns), 3), np.uint8)

    def add(self, rows: Floats) -> None:
        """Take the next rows, float32 (n, width, 3) in [0, 1]."""
        scale = self._scale
        if scale > 1:
            # Clipped first, so that each pixel is the mean of those that the whole picture has.
            rows = np.concatenate([self._pending, np.clip(rows, 0, 1)])
            ended = self._at * scale + len(rows) >= self._height
            whole = len(rows) if ended else len(rows) // scale * scale
            self._pending, rows = rows[whole:], rows[:whole]
            if not whole:
                return
            starts = np.arange(0, whole, scale)
            down = np.diff(np.append(starts, whole))[:, None, None]
            sums = np.add.reduceat(np.add.reduceat(rows, starts, axis=0), self._columns, axis=1)
            rows = np.divide(sums, down * self._across, dtype=np.float32)
        self.pixels[self._at : self._at + len(rows)] = to_uint8(rows)
        self._at += len(rows)


def reduced(plane: npt.NDArray[np.uint8], scale: int) -> npt.NDArray[np.uint8]:
    """A plane (H, W) as `Reduced` would make it."""
    if scale == 1:
        return plane
    out = Reduced(plane.shape[1], plane.shape[0], scale)
    out.add(np.repeat(to_float(plane)[:, :, None], 3, axis=2))
    return out.pixels[:, :, 0]


def check_region(region: Sequence[int] | None, width: int, height: int) -> Box:
    """A part of a picture as a box; the whole picture for None.

    Args:
        region: x, y, width and height in pixels.
        width, height: of the picture.

    Raises:
        UsageError: it is no such part.
    """
    if region is None:
        return Box(0, 0, width, height)
    numbers = list(region) if isinstance(region, Sequence) else []
    if len(numbers) != 4 or not all(isinstance(n, int) and not isinstance(n, bool) for n in numbers):
        raise UsageError(f"A region is four whole numbers, x, y, width and height, not {region!r}.")
    box = Box(*numbers)
    if min(box.x, box.y) < 0 or min(box.width, box.height) < 1 or box.right > width or box.bottom > height:
        raise UsageError(
            f"The region {box.width} x {box.height} at {box.x}, {box.y} is no part of a picture of {width} x {height}."
        )
    return box


def touching(grid: Grid, width: int, height: int, region: Box) -> list[tuple[int, Box]]:
    """Number and box of each tile that shows in a part of a picture."""
    return [
        (number, box)
        for number, box in enumerate(grid.boxes(width, height))
        if box.x < region.right and region.x < box.right and box.y < region.bottom and region.y < box.bottom
    ]


def ramp(length: int, overlap: int, *, before: bool, after: bool) -> Floats:
    """Weight of each pixel of a tile along one axis: 1, and (i + 1/2) / overlap where it fades in from a neighbor.

    Where two neighbors fade into each other, their weights add up to 1.
    """
    weight = np.ones(length, np.float32)
    rise = ((np.arange(overlap) + 0.5) / max(overlap, 1)).astype(np.float32)
    if before:
        weight[:overlap] *= rise
    if after:
        weight[length - overlap :] *= rise[::-1]
    return weight
