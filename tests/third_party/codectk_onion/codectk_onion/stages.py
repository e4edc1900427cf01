"""The stages: a pyramid of block means, each ring the difference to the rings inside it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from codectk.base.errors import InputError
from codectk.base.types import Context
from codectk.coding.tables import Tables
from codectk.spec.stages import LatentSpec, SymbolCoder

BLOCKS = (16, 8, 4, 2, 1)
"""Side of the blocks of each layer in pixels, the base first."""

RINGS = tuple(LatentSpec(f"ring{n}", 3, block, "factorized") for n, block in enumerate(BLOCKS))
"""int32 (3, H/block, W/block) in quantizer steps."""

BLACK = 16
"""Pixels with no channel above this are border."""


def _geometric(mean: int) -> np.ndarray:
    """Counts of -31..31 for magnitudes around `mean`, and 1 for all others."""
    sides = [(mean**n << 32) // (mean + 1) ** n for n in range(32)]
    return np.array([*reversed(sides[1:]), *sides, 1])


TABLES = Tables.from_counts([_geometric(1 << size) for size in range(6)], offsets=np.full(6, -31))


def step_of(ctx: Context) -> float:
    """Quantizer step in grey levels: 32 at quality 0, 2 at quality 100."""
    return float(32.0 * 2.0 ** (-ctx.knobs["quality"] / 25))


def _grown(ring: np.ndarray, factor: int) -> np.ndarray:
    return ring.repeat(factor, axis=1).repeat(factor, axis=2)


class Peel:
    """float32 (H, W, 3) RGB in [0, 1] to rings; the means are computed once for all qualities."""

    produces = RINGS

    def __call__(self, x: np.ndarray, condition: None, ctx: Context) -> Mapping[str, np.ndarray]:
        return self.finish(self.prepare(x, condition, ctx), ctx)

    def prepare(self, x: np.ndarray, condition: None, ctx: Context) -> Sequence[np.ndarray]:
        """Means of each size of block in grey levels around 128."""
        planes = np.moveaxis(x, -1, 0).astype(np.float64) * 255 - 128
        return [
            planes.reshape(3, ctx.height // block, block, ctx.width // block, block).mean(axis=(2, 4))
            for block in BLOCKS
        ]

    def outside(self, prepared: Sequence[np.ndarray], ctx: Context) -> str | None:
        mean = float(prepared[0].mean()) + 128
        if mean >= 20:
            return None
        return f"The picture is made for the night with a mean of {mean:.0f} of 255; the codec is for daylight."

    def finish(self, prepared: Sequence[np.ndarray], ctx: Context) -> Mapping[str, np.ndarray]:
        step = step_of(ctx)
        rings = {}
        known = np.zeros((3, ctx.height // BLOCKS[0], ctx.width // BLOCKS[0]))
        for spec, means in zip(RINGS, prepared, strict=True):
            known = _grown(known, means.shape[1] // known.shape[1])
            ring = np.rint((means - known) / step)
            known = known + ring * step
            rings[spec.name] = ring.astype(np.int32)
        return rings


class Layers:
    """The base as differences to the left, then one layer per ring; a ring that is missing is zero."""

    needs = RINGS
    gives = RINGS

    def code(
        self, coder: SymbolCoder, values: Mapping[str, np.ndarray] | None, ctx: Context
    ) -> Mapping[str, np.ndarray]:
        wanted = math.ceil(ctx.knobs["quality"] / 25)
        rings, more = {}, True
        for number, (spec, block) in enumerate(zip(RINGS, BLOCKS, strict=True)):
            shape = (3, ctx.height // block, ctx.width // block)
            if number:
                more = more and coder.layer(None if values is None else number <= wanted)
            ring = None if values is None else values[spec.name]
            rings[spec.name] = self._ring(coder, ring, shape, base=not number) if more else np.zeros(shape, np.int32)
        return rings

    def _ring(
        self, coder: SymbolCoder, ring: np.ndarray | None, shape: tuple[int, int, int], *, base: bool
    ) -> np.ndarray:
        symbols = level = None
        if ring is not None:
            symbols = np.diff(ring, axis=2, prepend=0) if base else ring
            level = min(int(np.abs(symbols).mean() + 0.5).bit_length(), len(TABLES) - 1)
        # Levels beyond the last come only from damaged files; the digest refuses those.
        level = min(coder.raw(level, 3), len(TABLES) - 1)
        coded: np.ndarray = coder.code(np.full(shape, level, np.uint8), symbols, TABLES)
        if base:
            coded = np.clip(np.cumsum(coded, axis=2, dtype=np.int64), -(1 << 30), 1 << 30).astype(np.int32)
        return coded


class Rebuild:
    """Rings to float32 (H, W, 3) RGB, and the edits."""

    needs = RINGS

    def __call__(self, latents: Mapping[str, np.ndarray], ctx: Context) -> np.ndarray:
        step = step_of(ctx)
        planes = sum(_grown(latents[spec.name] * step, block) for spec, block in zip(RINGS, BLOCKS, strict=True)) + 128
        light, warm = (8 * ctx.edits.get(name, 0.0) for name in ("light", "warm"))
        planes = planes + light + warm * np.array([1.0, 0.0, -1.0])[:, None, None]
        return np.moveaxis(planes / 255, 0, -1).astype(np.float32)


class BlackBorder:
    """Cuts off a black border."""

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        bright = pixels.max(axis=2) > BLACK
        rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
        if not rows.size:
            raise InputError("There is nothing but black in the picture.")
        return pixels[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
