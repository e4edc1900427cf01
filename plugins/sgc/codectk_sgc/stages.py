"""SGC's stages one by one, for recipes and other plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk.programs.configurations import check_options, configured
from codectk.spec.stages import EntropyModel, SymbolCoder
from codectk_sgc.coders import Coders
from codectk_sgc.colors.coder import PREFIX as COLORS
from codectk_sgc.colors.coder import ColorCoder
from codectk_sgc.config import CONFIGS
from codectk_sgc.decoder.synthesis import Synthesis
from codectk_sgc.encoder.analysis import Analysis
from codectk_sgc.entropy import Arrays, Reduced, SemanticCoder, load_arrays
from codectk_sgc.labels.coder import MAX_CLASSES, LabelCoder
from codectk_sgc.labels.coder import PREFIX as LABELS
from codectk_sgc.labels.names import COCO_STUFF


class CoderStage(Coders):
    """A coder that owns its networks: a bundle has them, so that its files decode wherever it is.

    Args:
        name: the component's id.
        arrays: its networks.
        classes: number of labels.
        reduced: see `codectk_sgc.entropy.Reduced`.
    """

    portable = True

    def __init__(self, name: str, arrays: Arrays, classes: int, reduced: bool) -> None:
        super().__init__(arrays)
        self._name, self._classes, self._reduced = name, classes, reduced
        self.variants = ({"reduced": not reduced},)
        self.needs = self.gives = self._coder().needs

    def code(
        self, coder: SymbolCoder, values: Mapping[str, npt.NDArray[np.integer]] | None, ctx: Context
    ) -> Mapping[str, npt.NDArray[np.integer]]:
        return self._coder().code(coder, values, ctx)

    def _coder(self) -> EntropyModel:
        """The coder with the networks as they are now; weights are filled in after a stage is built."""
        arrays = self.arrays()
        made: EntropyModel
        if self._name == "sgc.color_coder":
            made = ColorCoder(arrays)
        elif self._name == "sgc.label_coder":
            made = LabelCoder(arrays, self._classes)
        else:
            made = SemanticCoder(arrays, self._classes)
        return Reduced(made) if self._reduced else made


def label_coder(options: Mapping[str, Any]) -> CoderStage:
    """The coder of the label map, with the networks of this package; options are `classes` and `reduced`.

    Raises:
        UsageError: an option is unknown or makes no sense.
        WeightsError: the networks are missing or damaged.
    """
    return _coder("sgc.label_coder", options, (LABELS,))


def color_coder(options: Mapping[str, Any]) -> CoderStage:
    """The coder of the color map, as `label_coder`; its option is `reduced`."""
    return _coder("sgc.color_coder", options, (COLORS,))


def semantic_coder(options: Mapping[str, Any]) -> CoderStage:
    """The coder of both maps, as `label_coder`."""
    return _coder("sgc.semantic_coder", options, (LABELS, COLORS))


def _coder(name: str, options: Mapping[str, Any], prefixes: tuple[str, ...]) -> CoderStage:
    check_options(name, options, ("classes", "reduced") if LABELS in prefixes else ("reduced",))
    classes, reduced = options.get("classes", len(COCO_STUFF)), options.get("reduced", False)
    if type(classes) is not int or not 1 <= classes <= MAX_CLASSES:
        raise UsageError(f"The option 'classes' of {name} is a whole number from 1 to {MAX_CLASSES}, not {classes!r}.")
    if not isinstance(reduced, bool):
        raise UsageError(f"The option 'reduced' of {name} is true or false, not {reduced!r}.")
    arrays = {key: array for key, array in load_arrays().items() if key.startswith(prefixes)}
    return CoderStage(name, arrays, classes, reduced)


def analysis(options: Mapping[str, Any]) -> Analysis:
    """The untrained encoder; options are those of `network.build`.

    Raises:
        UsageError: as there.
    """
    return Analysis(configured("SGC", CONFIGS, options))


def synthesis(options: Mapping[str, Any]) -> Synthesis:
    """The untrained decoder, as `analysis`."""
    return Synthesis(configured("SGC", CONFIGS, options))
