"""SGC's entropy models with the networks that come with this package."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk.spec.stages import EntropyModel, LatentSpec, SymbolCoder
from codectk.weights.manifest import find_entry
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors
from codectk_sgc.colors.coder import COLORS, ColorCoder
from codectk_sgc.labels.coder import LABELS, MAX_CLASSES, LabelCoder
from codectk_sgc.labels.names import COCO_STUFF
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


REDUCED: tuple[LatentSpec, ...] = tuple(replace(spec, stride=None) for spec in (LABELS, COLORS))
"""The maps of a picture at its working size (`size.working_size`), which follows from its size."""


class ReducedCoder(SemanticCoder):
    """The coder of the codec, see `REDUCED`."""

    needs = REDUCED
    gives = REDUCED

    def code(
        self, coder: SymbolCoder, values: Mapping[str, npt.NDArray[np.integer]] | None, ctx: Context
    ) -> Mapping[str, npt.NDArray[np.integer]]:
        height, width = working_size(ctx.height, ctx.width)
        return super().code(coder, values, replace(ctx, height=height, width=width))


def load_arrays() -> Arrays:
    """The networks of this package.

    Raises:
        WeightsError: their file is missing or damaged.
    """
    return load_tensors(resolve(find_entry(PACKAGE, PRESET), PACKAGE))


def build(name: str, options: Mapping[str, Any]) -> EntropyModel:
    """A coder by component id.

    Raises:
        UsageError: an option is unknown or makes no sense.
        WeightsError: as `load_arrays`.
    """
    known = () if name == "sgc.color_coder" else ("classes",)
    for option in options:
        if option not in known:
            raise UsageError(f"{name} has no option '{option}'; it has {', '.join(known) or 'none'}.")
    classes = options.get("classes", len(COCO_STUFF))
    if type(classes) is not int or not 1 <= classes <= MAX_CLASSES:
        raise UsageError(f"The option 'classes' of {name} is a whole number from 1 to {MAX_CLASSES}, not {classes!r}.")
    arrays = load_arrays()
    if name == "sgc.color_coder":
        return ColorCoder(arrays)
    return LabelCoder(arrays, classes) if name == "sgc.label_coder" else SemanticCoder(arrays, classes)
