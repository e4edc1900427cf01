"""Tiles of large pictures: where to cut, and how neighbors fade into each other.

A picture up to the codec's tile size is one piece. A larger one is cut into as few tiles as that size allows, all about
alike, so that no tile is a sliver; sides are multiples of the codec's stride, since padding costs bits in each tile.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from codectk.base.errors import ContractError
from codectk.bitstream.tiles import MIN_TILE, Box, Grid

OVERLAP = 16
"""Pixels that neighbors share. Wider seams are no smoother, and what is shared is coded twice."""

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
    """Tiles become rows of a picture.

    Takes tiles from left to right, then from top to bottom, and gives back rows as soon as no later tile touches
    them. It holds one row of tiles.

    Args:
        grid: how the picture was cut.
        width, height: of the picture in pixels.
    """

    def __init__(self, grid: Grid, width: int, height: int) -> None:
        self._width = width
        self._columns, self._rows = grid.columns(width), grid.rows(height)
        self._overlap = grid.overlap
        self._band: Floats = np.zeros((0, width, 3), np.float32)
        self._carried: Floats = np.zeros((0, width, 3), np.float32)
        self._at = 0

    def add(self, pixels: Floats) -> Floats:
        """Put the next tile in its place.

        Args:
            pixels: float32 (h, w, 3) of the tile's box.

        Returns:
            float32 (n, width, 3): the rows that are now final, below those given before; n is 0 within a row of tiles.
        """
        row, column = divmod(self._at, len(self._columns))
        (top, height), (left, width) = self._rows[row], self._columns[column]
        if pixels.shape != (height, width, 3):
            raise ContractError(f"Tile {self._at} has shape {pixels.shape} instead of {(height, width, 3)}.")
        if column == 0:
            self._band = np.zeros((height, self._width, 3), np.float32)
            self._band[: len(self._carried)] = self._carried
        down = ramp(height, self._overlap, before=row > 0, after=row + 1 < len(self._rows))
        across = ramp(width, self._overlap, before=column > 0, after=column + 1 < len(self._columns))
        self._band[:, left : left + width] += pixels * (down[:, None] * across)[:, :, None]
        self._at += 1
        if column + 1 < len(self._columns):
            return self._band[:0]
        final = height if row + 1 == len(self._rows) else self._rows[row + 1][0] - top
        self._carried = self._band[final:].copy()
        return self._band[:final]


def blend_region(grid: Grid, width: int, height: int, region: Box, tiles: Iterator[tuple[Box, Floats]]) -> Floats:
    """A part of a picture from the tiles that touch it, just as `Blend` paints it.

    Args:
        grid, width, height: as in `Blend`.
        region: the part.
        tiles: box and pixels, float32 (h, w, 3), of each tile of `touching`.
    """
    out = np.zeros((region.height, region.width, 3), np.float32)
    for box, pixels in tiles:
        down = ramp(box.height, grid.overlap, before=box.y > 0, after=box.bottom < height)
        across = ramp(box.width, grid.overlap, before=box.x > 0, after=box.right < width)
        x0, x1 = max(box.x, region.x), min(box.right, region.right)
        y0, y1 = max(box.y, region.y), min(box.bottom, region.bottom)
        inside = slice(y0 - box.y, y1 - box.y), slice(x0 - box.x, x1 - box.x)
        weight = (down[:, None] * across)[inside]
        out[y0 - region.y : y1 - region.y, x0 - region.x : x1 - region.x] += pixels[inside] * weight[:, :, None]
    return out


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
