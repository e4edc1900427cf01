"""The stages: the analysis tells which grain is closest, the synthesis says how far it is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from codectk.base.progress import report
from codectk.base.types import Context
from codectk.coding.tables import Tables
from codectk.spec.stages import LatentSpec, SymbolCoder

BLOCK = 8

MEANS = LatentSpec("means", 3, BLOCK, "factorized")
"""int32 (3, H/8, W/8) in quantizer steps."""


def _geometric(mean: int) -> np.ndarray:
    """Counts of -63..63 for magnitudes around `mean`, and 1 for all others."""
    sides = [(mean**n << 32) // (mean + 1) ** n for n in range(64)]
    return np.array([*reversed(sides[1:]), *sides, 1])


TABLES = Tables.from_counts([_geometric(1 << size) for size in range(8)], offsets=np.full(8, -63))


def step_of(ctx: Context) -> float:
    """Quantizer step in grey levels: 32 at quality 0, 1 at quality 100."""
    return float(32.0 * 2.0 ** (-ctx.knobs["quality"] / 20))


class Blocks:
    """float32 (H, W, 3) RGB in [0, 1] to means of blocks."""

    produces = (MEANS,)

    def __call__(self, x: np.ndarray, condition: None, ctx: Context) -> Mapping[str, np.ndarray]:
        return self.finish(self.prepare(x, condition, ctx), ctx)

    def prepare(self, x: np.ndarray, condition: None, ctx: Context) -> np.ndarray:
        return x

    def finish(self, prepared: np.ndarray, ctx: Context) -> Mapping[str, np.ndarray]:
        blocks = prepared.reshape(ctx.height // BLOCK, BLOCK, ctx.width // BLOCK, BLOCK, 3).mean(axis=(1, 3))
        return {"means": np.rint(np.moveaxis(blocks, -1, 0) * 255 / step_of(ctx)).astype(np.int32)}

    def distance(self, prepared: np.ndarray, painted: np.ndarray, ctx: Context) -> float:
        return float(np.square(prepared - painted).mean())


class Coder:
    """Differences to the left, with a table for their mean size."""

    needs = gives = (MEANS,)

    def code(
        self, coder: SymbolCoder, values: Mapping[str, np.ndarray] | None, ctx: Context
    ) -> Mapping[str, np.ndarray]:
        steps = size = None
        if values is not None:
            steps = np.diff(values["means"], axis=2, prepend=0)
            size = min(int(np.abs(steps).mean()).bit_length(), len(TABLES) - 1)
        size = coder.raw(size, 3)
        coded = coder.code(np.full((3, ctx.height // BLOCK, ctx.width // BLOCK), size, np.uint8), steps, TABLES)
        return {"means": np.clip(np.cumsum(coded, axis=2, dtype=np.int64), -(1 << 30), 1 << 30).astype(np.int32)}


class Paint:
    """Means of blocks to float32 (H, W, 3) RGB with grain, the same in all channels."""

    needs = (MEANS,)

    def __call__(self, latents: Mapping[str, np.ndarray], ctx: Context) -> np.ndarray:
        means = np.moveaxis(latents["means"], 0, -1) * (step_of(ctx) / 255)
        x = means.repeat(BLOCK, axis=0).repeat(BLOCK, axis=1)
        random = np.random.default_rng(ctx.knobs["seed"])
        steps = int(ctx.knobs["steps"])
        for step in range(steps):
            grain = random.uniform(-1, 1, (ctx.height, ctx.width, 1))
            x = x + grain * (ctx.knobs["strength"] * step_of(ctx) / 255 / 2**step)
            report(step + 1, steps)
        return x.astype(np.float32)
