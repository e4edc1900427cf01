"""Where the bits of a picture go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from codectk.coding.coder import Meter
from codectk.pipeline.encode import Encoding


@dataclass(frozen=True)
class Bits:
    """What coding one picture takes, without the bytes of its container.

    Attributes:
        total: -log2 of the probability of every symbol, escapes and raw bits included.
        layers: the same by layer, from the base on.
        maps: by stride in pixels, float64 (H/stride, W/stride) of the padded picture: bits at each position, summed
            over the channels of what is coded on that grid.
        rest: bits that belong to no position, such as those of codes of fixed size.
    """

    total: float
    layers: tuple[float, ...]
    maps: Mapping[int, np.ndarray]
    rest: float


def measure(encoding: Encoding) -> Bits:
    """Run the coding program of a prepared picture and watch what each position takes."""
    ctx = encoding.piece.ctx
    meter = _Maps(ctx.height, ctx.width, {spec.stride for spec in encoding.codec.stages.entropy_model.gives})
    encoding.code(meter)
    mapped = sum(float(plane.sum()) for plane in meter.maps.values())
    return Bits(meter.bits, tuple(meter.by_layer), dict(sorted(meter.maps.items())), meter.bits - mapped)


class _Maps(Meter):
    """A meter that also adds up by position, where an array's last two sides are those of a grid."""

    def __init__(self, height: int, width: int, strides: set[int | None]) -> None:
        super().__init__()
        # The side information of a model lies on coarser grids that no stage declares.
        steps = {stride for stride in strides if stride} | {1 << power for power in range(10)}
        self._grids = {(height // s, width // s): s for s in sorted(steps) if not (height % s or width % s)}
        self.maps: dict[int, np.ndarray] = {}

    def code(self, index: Any, symbols: Any | None, tables: Any) -> Any:
        values = super().code(index, symbols, tables)
        stride = self._grids.get(values.shape[-2:]) if values.ndim >= 3 else None
        if stride is not None:
            plane = tables.costs(index, values).reshape(-1, *values.shape[-2:]).sum(axis=0)
            self.maps[stride] = self.maps.get(stride, 0.0) + plane
        return values
