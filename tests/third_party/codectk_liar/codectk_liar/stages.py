"""Squares of 8x8 pixels by their means, coded with scales that a small network predicts from coarser means."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codectk.base.types import Context
from codectk.coding.tables import Tables
from codectk.nn.exact import exact_math
from codectk.spec.stages import LatentSpec, SymbolCoder

LATENTS: tuple[LatentSpec, ...] = (LatentSpec("y", 3, 8, "gaussian"), LatentSpec("z", 3, 16, "factorized"))

SCALES = 16
BOUND = 255
TABLES = Tables.from_counts(
    [
        np.append((1e6 * 0.5 ** (np.abs(np.arange(-40, 41)) / 2 ** (index / 3))).astype(np.int64), 9)
        for index in range(SCALES)
    ],
    np.full(SCALES, -40),
)


def step_of(quality: float) -> float:
    """Quantizer step for quality 0..100: a quarter down to 1/256 of the range."""
    return float(0.25 * 2.0 ** (-6 * quality / 100))


class Means:
    """float (1, 3, H, W) in [0, 1] to integers: means of 16x16 squares, and of 8x8 squares less those."""

    produces = LATENTS

    def __call__(self, x: Tensor, condition: None, ctx: Context) -> Mapping[str, Tensor]:
        step = step_of(ctx.knobs["quality"])
        fine, coarse = (torch.round((F.avg_pool2d(x, side) - 0.5) / step) for side in (8, 16))
        return {"y": fine - F.interpolate(coarse, scale_factor=2), "z": coarse}


class Squares:
    """Integers to float (1, 3, H, W)."""

    needs = LATENTS

    def __call__(self, latents: Mapping[str, Tensor], ctx: Context) -> Tensor:
        fine = latents["y"] + F.interpolate(latents["z"], scale_factor=2)
        return F.interpolate(fine * step_of(ctx.knobs["quality"]) + 0.5, scale_factor=8)


class Hyperprior:
    """Codes z, then y with scales predicted from z.

    Args:
        lie: "honest", or what is wrong: "float" weights, "unguarded" from the calling program's settings, "unbounded".
    """

    needs = LATENTS
    gives = LATENTS

    def __init__(self, lie: str) -> None:
        self.lie = lie
        weight = torch.randint(-100, 101, (3, 3, 3, 3), generator=torch.Generator().manual_seed(1)).float()
        self.weight = weight * 1.1 if lie == "float" else weight

    def code(self, coder: SymbolCoder, values: Mapping[str, Tensor] | None, ctx: Context) -> Mapping[str, Tensor]:
        shape = (1, 3, ctx.height // 16, ctx.width // 16)
        z = _code(coder, torch.full(shape, SCALES // 2), None if values is None else values["z"])
        return {"z": z, "y": _code(coder, self.scales(z), None if values is None else values["y"])}

    def scales(self, z: Tensor) -> Tensor:
        """Table of each y, whole numbers 0..SCALES-1."""
        known = z if self.lie == "unbounded" else z.clamp(-BOUND, BOUND)
        with nullcontext() if self.lie == "unguarded" else exact_math():
            seen = F.conv2d(F.interpolate(known, scale_factor=2), self.weight, padding=1)
        return torch.round(seen.float().abs() / 1024).clamp(0, SCALES - 1)


def _code(coder: SymbolCoder, index: Tensor, symbols: Tensor | None) -> Tensor:
    given = None if symbols is None else symbols.to(torch.int32).numpy()
    return torch.from_numpy(coder.code(index.to(torch.uint8).numpy(), given, TABLES)).float()
