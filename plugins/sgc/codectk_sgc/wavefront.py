"""The order in which small maps are coded: slanted lines, so that a whole line is one call of the coder.

Cell (x, y) lies on line x + 2 y. Everything above it up to one column to the right, and all to its left, lies on
earlier lines: what a cell is predicted from is known before its line begins, and the cells of a line do not need each
other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.int64]

MARGIN = 4
"""Cells of border on the left, right, top and bottom; no neighbor is further away."""

NEIGHBORS = (
    (0, -1), (-1, 0), (-1, 1), (-1, -1), (0, -2), (-2, 0), (-2, 1), (-1, -2),
    (-2, -1), (-2, 2), (0, -3), (-2, -2), (-3, 0), (-2, 3), (-3, 1), (-3, -1),
)  # fmt: skip
"""(down, right) from a cell to its neighbors on earlier lines, roughly by distance: W, N, NE, NW, WW, NN, ..."""

OUTSIDE = -1
"""Value of the border; no label and no color level has it."""


class Field:
    """A map inside a border, seen as one row of cells.

    Args:
        height, width: size in cells, at least 1.

    Attributes:
        cells: int64 ((height + 2 MARGIN) * pitch,), OUTSIDE until it is written.
        pitch: cells per row with the border.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        self.pitch = width + 2 * MARGIN
        self.cells: IntArray = np.full((height + 2 * MARGIN) * self.pitch, OUTSIDE, np.int64)

    @property
    def inner(self) -> IntArray:
        """The map itself, (height, width): a view."""
        return self.cells.reshape(-1, self.pitch)[MARGIN:-MARGIN, MARGIN:-MARGIN]

    def steps(self, neighbors: Sequence[tuple[int, int]]) -> IntArray:
        """(down, right) to distances in `cells`, int64 (K,)."""
        return np.array([down * self.pitch + right for down, right in neighbors], np.int64)

    def lines(self) -> Iterator[IntArray]:
        """Places in `cells` of one line after the other, int64 (n,) each, top right to bottom left."""
        for line in range(self.width + 2 * (self.height - 1)):
            first = max(0, (line - self.width + 2) // 2)
            last = min(self.height - 1, line // 2)
            rows = np.arange(first, last + 1, dtype=np.int64)
            yield (rows + MARGIN) * self.pitch + MARGIN + line - 2 * rows
