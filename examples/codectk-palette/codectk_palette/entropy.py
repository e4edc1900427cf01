"""The coding program: the palette, then the index map along slanted lines.

Pixel (x, y) belongs to line x + 2 y. All that its neighborhood needs lies on earlier lines, so one line is coded by
one call, and each neighbor is one array:

             NN  NNE         the picture's pixels of a line lie evenly spaced in memory,
    NWW  NW   N   NE         and so do their neighbors
    WW    W   x

A pixel first says which of seven colors it has: the one that followed the same neighborhood last time, or that of one
of six neighbors. Only if it has none of them is its index coded, by a table chosen by the color to the left.
All tables are learned from what was coded so far.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from codectk.base.types import Context
from codectk.coding.tables import Tables
from codectk.spec.stages import SymbolCoder
from codectk_palette.colors import LATENTS, MAX_COLORS
from codectk_palette.counts import Learned
from codectk_palette.memory import CONFIDENCES, Memory

LEFT, TOP, RIGHT = 2, 2, 1
"""Border around the picture, of color 0, so that every pixel has all neighbors."""

PAIRS = ((0, 1), (0, 2), (1, 2), (1, 3), (0, 4))
"""Neighbors, as numbered in `_neighbors`, whose equality chooses the table, together with the memory's confidence."""

CANDIDATES = 7
"""The remembered color and the first six neighbors; the symbol after them says that it is none of these."""

PRIOR = np.array([16, 48, 16, 4, 4, 2, 2, 8])
"""What the symbols weigh before anything is known, in parts of `counts.SEEN`."""

ROWS = 64
"""Most tables for indexes: neighboring colors of a larger palette share one."""


class PaletteModel:
    """Codes the palette and the indexes of one picture."""

    needs = LATENTS
    gives = LATENTS

    def code(
        self, coder: SymbolCoder, values: Mapping[str, np.ndarray] | None, ctx: Context
    ) -> Mapping[str, np.ndarray]:
        palette = _code_palette(coder, None if values is None else values["palette"])
        indexes = None if values is None else values["indexes"]
        return {"palette": palette, "indexes": _code_indexes(coder, indexes, len(palette), ctx)}


def _code_palette(coder: SymbolCoder, palette: np.ndarray | None) -> np.ndarray:
    """Code int32 (P, 3) as steps from color to color: red, green less red, blue less green."""
    count = 1 + coder.raw(None if palette is None else len(palette) - 1, (MAX_COLORS - 1).bit_length())
    wide = np.zeros((count, 3), np.int64)
    for channel in range(3):
        steps, level = None, None
        if palette is not None:
            steps = np.diff(palette[:, channel] - wide[:, channel], prepend=0)
            level = int(np.abs(steps).sum() // count).bit_length()
        level = coder.raw(level, 4)
        table = np.full(count, min(level, len(_STEPS) - 1))
        decoded = coder.code(table, steps, _STEPS).astype(np.int64)
        wide[:, channel] += np.cumsum(decoded)
        if channel < 2:
            wide[:, channel + 1] = wide[:, channel]
    # Garbage may decode to anything; the digest refuses it, but only after this program has ended.
    return np.clip(wide, 0, 255).astype(np.int32)


def _geometric(mean: int) -> np.ndarray:
    """Counts of -255..255 and the escape: every step away from 0 is mean / (mean + 1) as likely."""
    magnitudes = [(mean**n << 30) // (mean + 1) ** n for n in range(256)]
    return np.array([*reversed(magnitudes[1:]), *magnitudes, 0])


_STEPS = Tables.from_counts([_geometric(mean) for mean in (1, 2, 4, 8, 16, 32, 64, 128, 256)], np.full(9, -255))


def _code_indexes(coder: SymbolCoder, indexes: np.ndarray | None, colors: int, ctx: Context) -> np.ndarray:
    """Code int32 (H, W) with values 0..colors-1."""
    padded = np.zeros((ctx.height + TOP, LEFT + ctx.width + RIGHT), np.int32)
    if indexes is not None:
        padded[TOP:, LEFT:-RIGHT] = indexes
    if colors > 1:
        flat = padded.reshape(-1)
        lines = _Lines(coder, colors)
        for line in _lines(ctx.height, ctx.width):
            near = _neighbors(flat, line, padded.shape[1])
            flat[line] = lines.code(near, None if indexes is None else flat[line])
    return padded[TOP:, LEFT:-RIGHT].copy()


def _lines(height: int, width: int) -> Iterator[slice]:
    """The slanted lines in coding order, as slices of the padded picture seen as one row."""
    pitch = LEFT + width + RIGHT
    for number in range(width + 2 * (height - 1)):
        first = max(0, (number - width + 2) // 2)
        last = min(height - 1, number // 2)
        start = (first + TOP) * pitch + LEFT + number - 2 * first
        yield slice(start, start + (last - first) * (pitch - 2) + 1, pitch - 2)


def _neighbors(flat: np.ndarray, line: slice, pitch: int) -> list[np.ndarray]:
    """W, N, NW, NE, WW, NN, NNE, NWW of every pixel of a line."""
    back = (1, pitch, pitch + 1, pitch - 1, 2, 2 * pitch, 2 * pitch - 1, pitch + 2)
    return [flat[line.start - step : line.stop - step : line.step] for step in back]


class _Lines:
    """Codes line after line and learns from each."""

    def __init__(self, coder: SymbolCoder, colors: int) -> None:
        self._coder, self._colors, self._rows = coder, colors, min(colors, ROWS)
        self._memory = Memory()
        self._hits = Learned(CONFIDENCES << len(PAIRS), CANDIDATES + 1, PRIOR)
        self._misses = Learned(self._rows, colors, 1, shared=True)

    def code(self, near: list[np.ndarray], target: np.ndarray | None) -> np.ndarray:
        """Code one line.

        Args:
            near: the neighbors of its n pixels, int32 (n,) each.
            target: its indexes, int32 (n,); None decodes.
        """
        places = self._memory.places(near)
        remembered, context = self._memory.recall(places)
        for one, other in PAIRS:
            context = 2 * context + (near[one] == near[other])
        candidates = [remembered, *near[: CANDIDATES - 1]]
        symbols = None
        if target is not None:
            symbols = np.full(target.shape, CANDIDATES, np.int32)
            for number in reversed(range(CANDIDATES)):
                symbols[candidates[number] == target] = number
        symbols = np.clip(self._coder.code(context, symbols, self._hits.tables), 0, CANDIDATES)
        self._hits.learn(context, symbols)
        line = np.choose(np.minimum(symbols, CANDIDATES - 1), candidates)
        missed = np.flatnonzero(symbols == CANDIDATES)
        if missed.size:
            # A damaged file may recall what is no color; clipping keeps the program going until the digest refuses it.
            row = np.clip(near[0][missed], 0, None).astype(np.intp) * self._rows // self._colors
            found = self._coder.code(row, None if target is None else target[missed], self._misses.tables)
            found = np.clip(found, 0, self._colors - 1)
            self._misses.learn(row, found)
            line[missed] = found
        self._memory.store(places, line)
        return line
