"""SGC's stages one by one, for recipes and other plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import nn

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk.programs.configurations import configured
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

PREFIXES = {
    "sgc.label_coder": (LABELS,),
    "sgc.color_coder": (COLORS,),
    "sgc.semantic_coder": (LABELS, COLORS),
}
"""What the networks of each coder are called in the weights."""


class CoderStage(Coders):
    """A coder that owns its networks: a bundle has them, so that its files decode wherever it is.

    Args:
        name: of `PREFIXES`.
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


def coder(name: str, options: Mapping[str, Any]) -> CoderStage:
    """A coder by component id, with the networks of this package.

    Raises:
        UsageError: an option is unknown or makes no sense.
        WeightsError: the networks are missing or damaged.
    """
    known = ("reduced",) if name == "sgc.color_coder" else ("classes", "reduced")
    for option in options:
        if option not in known:
            raise UsageError(f"{name} has no option '{option}'; it has {', '.join(known)}.")
    classes, reduced = options.get("classes", len(COCO_STUFF)), options.get("reduced", False)
    if type(classes) is not int or not 1 <= classes <= MAX_CLASSES:
        raise UsageError(f"The option 'classes' of {name} is a whole number from 1 to {MAX_CLASSES}, not {classes!r}.")
    if not isinstance(reduced, bool):
        raise UsageError(f"The option 'reduced' of {name} is true or false, not {reduced!r}.")
    arrays = {key: array for key, array in load_arrays().items() if key.startswith(PREFIXES[name])}
    return CoderStage(name, arrays, classes, reduced)


def transform(name: str, options: Mapping[str, Any]) -> nn.Module:
    """The untrained encoder or decoder; options are those of `network.build`.

    Raises:
        UsageError: as there.
    """
    config = configured("SGC", CONFIGS, options)
    return Analysis(config) if name == "sgc.semantic_analysis" else Synthesis(config)
