"""Where the bits of a picture go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from codectk.coding.coder import Meter
from codectk.pipeline.encode import Encoding
from codectk.programs.values import Subject
from codectk.spec.stages import LatentSpec


@dataclass(frozen=True)
class Bits:
    """What coding one picture takes, without the bytes of its container.

    Attributes:
        total: -log2 of the probability of every symbol, escapes and raw bits included.
        layers: the same by layer, from the base on.
        maps: by stride in pixels, float64 (H/stride, W/stride) of the padded picture: bits at each position, summed
            over the channels of what is coded on that grid. What has the name of a declared latent lies on the grid
            that the latent declares; other arrays, such as side information, on the grid that their sides fit.
        rest: bits that belong to no position, such as those of codes of fixed size.
    """

    total: float
    layers: tuple[float, ...]
    maps: Mapping[int, np.ndarray]
    rest: float


def measure(encoding: Encoding) -> Bits:
    """Run the coding program of a prepared picture and watch what each position takes."""
    ctx = encoding.piece.ctx
    meter = _Maps(ctx.height, ctx.width, encoding.codec.stages.entropy_model.gives)
    encoding.code(meter)
    mapped = sum(float(plane.sum()) for plane in meter.maps.values())
    return Bits(meter.bits, tuple(meter.by_layer), dict(sorted(meter.maps.items())), meter.bits - mapped)


class _Maps(Meter):
    """A meter that also adds up by position."""

    def __init__(self, height: int, width: int, latents: Iterable[LatentSpec]) -> None:
        super().__init__()
        self._declared = {spec.name: spec.stride for spec in latents}
        steps = {stride for stride in self._declared.values() if stride} | {1 << power for power in range(10)}
        self._grids = {(height // s, width // s): s for s in sorted(steps) if not (height % s or width % s)}
        self._subject = Subject("")
        self.maps: dict[int, np.ndarray] = {}

    def about(self, subject: Subject) -> None:
        self._subject = subject

    def code(self, index: Any, symbols: Any | None, tables: Any) -> Any:
        subject, self._subject = self._subject, Subject("")
        values = super().code(index, symbols, tables)
        places, sides = subject.places, values.shape[-2:] if subject.places is None else subject.sides
        stride = self._grids.get(sides) if values.ndim >= 3 else None
        if stride is not None and self._declared.get(subject.label, stride) == stride:
            plane = np.zeros(sides)
            here = np.arange(plane.size) if places is None else places
            plane.flat[here] = tables.costs(index, values).reshape(-1, here.size).sum(axis=0)
            self.maps[stride] = self.maps.get(stride, 0.0) + plane
        return values
