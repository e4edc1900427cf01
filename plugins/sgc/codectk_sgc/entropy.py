"""SGC's entropy model, and the networks of it that come with this package."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from codectk.base.types import Context
from codectk.spec.stages import EntropyModel, LatentSpec, SymbolCoder
from codectk.weights.manifest import find_entry
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors
from codectk_sgc.colors.coder import COLORS, ColorCoder
from codectk_sgc.labels.coder import LABELS, LabelCoder
from codectk_sgc.size import working_size

PACKAGE = "codectk_sgc"
PRESET = "sgc-coders"

Arrays = Mapping[str, npt.NDArray[np.generic]]


class SemanticCoder:
    """Codes `labels` and `colors`, in this order, see `LabelCoder` and `ColorCoder`.

    Args:
        arrays: the networks of both.
        classes: number of labels, 1..255.

    Raises:
        WeightsError: the arrays are not those networks.
    """

    needs: tuple[LatentSpec, ...] = (LABELS, COLORS)
    gives = needs

    def __init__(self, arrays: Arrays, classes: int) -> None:
        self._coders = (LabelCoder(arrays, classes), ColorCoder(arrays))

    def code(
        self, coder: SymbolCoder, values: Mapping[str, npt.NDArray[np.integer]] | None, ctx: Context
    ) -> Mapping[str, npt.NDArray[np.integer]]:
        labels, colors = (one.code(coder, values, ctx) for one in self._coders)
        return {**labels, **colors}


class Reduced:
    """A coder of the maps of a picture at its working size (`size.working_size`), which follows from its size.

    Args:
        model: the coder of maps at the picture's own size.
    """

    def __init__(self, model: EntropyModel) -> None:
        self._model = model
        self.needs = self.gives = without_stride(model.needs)

    def code(
        self, coder: SymbolCoder, values: Mapping[str, npt.NDArray[np.integer]] | None, ctx: Context
    ) -> Mapping[str, npt.NDArray[np.integer]]:
        height, width = working_size(ctx.height, ctx.width)
        return self._model.code(coder, values, replace(ctx, height=height, width=width))


def without_stride(specs: Iterable[LatentSpec]) -> tuple[LatentSpec, ...]:
    """Maps whose size follows from the working size, and is not a part of the picture's."""
    return tuple(replace(spec, stride=None) for spec in specs)


REDUCED = without_stride((LABELS, COLORS))
"""The maps of a picture at its working size, as analysis and synthesis have them."""


def load_arrays() -> Arrays:
    """The networks of this package.

    Raises:
        WeightsError: their file is missing or damaged.
    """
    return load_tensors(resolve(find_entry(PACKAGE, PRESET), PACKAGE))
