"""The coding program of color maps: `sgc.color_coder`.

Y first, then Cb, then Cr. A network in integers predicts each level and how far off it may be, from levels around in
the same plane and, on all sides, in those before. How wrong it was in this very map widens or narrows its curves.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from codectk.base.errors import ContractError, WeightsError
from codectk.base.types import Context
from codectk.spec.stages import LatentSpec, SymbolCoder
from codectk_sgc.colors.context import AROUND, FEATURES, SAME, features, filled, predicted
from codectk_sgc.colors.quantize import GREY, LEVELS
from codectk_sgc.colors.tables import PHASES, color_tables
from codectk_sgc.colors.widths import Widths
from codectk_sgc.integers import IntegerNet
from codectk_sgc.wavefront import Field, IntArray

STRIDE = 32
"""Pixels per cell."""

PREFIX = "colors."

COLORS = LatentSpec("colors", 3, STRIDE, "bytes")


class ColorCoder:
    """Codes `colors`, levels (H/32, W/32, 3) of Y, Cb, Cr as `quantize` makes them, without loss.

    Args:
        arrays: the networks "colors.0." to "colors.2.", see `integers.IntegerNet`.

    Raises:
        WeightsError: the arrays are not those networks.
    """

    needs: tuple[LatentSpec, ...] = (COLORS,)
    gives = needs

    def __init__(self, arrays: Mapping[str, npt.NDArray[np.generic]]) -> None:
        self._nets = [IntegerNet(arrays, f"{PREFIX}{plane}.") for plane in range(3)]
        if any((net.inputs, net.outputs) != (count, 2) for net, count in zip(self._nets, FEATURES, strict=True)):
            raise WeightsError(f"The networks of the color coder must take {FEATURES} numbers and give two.")

    def code(
        self, coder: SymbolCoder, values: Mapping[str, npt.NDArray[np.integer]] | None, ctx: Context
    ) -> Mapping[str, npt.NDArray[np.uint8]]:
        shape = (-(-ctx.height // STRIDE), -(-ctx.width // STRIDE))
        target = None if values is None else _checked(values["colors"], shape)
        done: list[Field] = []
        for plane in range(3):
            field = Field(*shape)
            self._code_plane(coder, field, done, None if target is None else target[..., plane])
            done.append(edged(field))
        return {"colors": np.stack([field.inner for field in done], axis=-1).astype(np.uint8)}

    def _code_plane(
        self, coder: SymbolCoder, field: Field, earlier: list[Field], target: npt.NDArray[np.integer] | None
    ) -> None:
        plane = len(earlier)
        net, top, widths = self._nets[plane], LEVELS[plane] - 1, Widths()
        wanted = None
        if target is not None:
            wanted = Field(field.height, field.width)
            wanted.inner[...] = target
        for line in field.lines():
            inputs, base = context(field, line, earlier)
            said = net(inputs)
            center = np.clip(base * PHASES + said[:, 0], 0, top * PHASES)
            whole, phase = center // PHASES, center % PHASES
            width = widths.choose(said[:, 1])
            given = None if wanted is None else wanted.cells[line] - whole
            # Garbage may decode to anything; the digest refuses it in the end.
            levels = np.clip(whole + coder.code(width * PHASES + phase, given, color_tables()), 0, top)
            widths.learn(width, np.abs(levels * PHASES - center))
            field.cells[line] = levels


def context(field: Field, line: IntArray, earlier: list[Field]) -> tuple[IntArray, IntArray]:
    """Inputs of the network for places of a plane, and the levels that its predictions start from.

    Args:
        field: the plane, of which earlier lines are known.
        line: places, int64 (n,).
        earlier: the planes before it, with `edged` borders.
    """
    start = GREY[len(earlier)]
    raw = field.cells[line[:, None] + field.steps(SAME)]
    near = filled(raw, start)
    base = predicted(near)
    around = [other.cells[line[:, None] + other.steps(AROUND)] for other in earlier]
    return features(raw, near, base, start, around), base


def edged(field: Field) -> Field:
    """The plane with its outermost levels repeated once into the border."""
    result = Field(field.height, field.width)
    grid = result.cells.reshape(-1, result.pitch)
    grid[3:-3, 3:-3] = np.pad(field.inner, 1, "edge")
    return result


def _checked(colors: npt.NDArray[np.integer], shape: tuple[int, int]) -> npt.NDArray[np.integer]:
    given = np.asarray(colors)
    if given.shape != (*shape, 3) or given.dtype.kind not in "iu":
        raise ContractError(f"The color coder takes integers of shape {(*shape, 3)}, not {given.dtype} {given.shape}.")
    if int(given.min()) < 0 or (given >= LEVELS).any():
        raise ContractError(f"The color coder takes levels below {LEVELS} for Y, Cb and Cr.")
    return given
