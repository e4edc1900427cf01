"""The coding program of label maps: `sgc.label_coder`.

For each cell, up to three labels of its neighbors are tried in turn; a label that is none of them is named. A network
in integers gives the chances from the labels around; corrections learned in this very map adapt them.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from codectk.base.errors import ContractError, WeightsError
from codectk.base.types import Context
from codectk.spec.stages import LatentSpec, SymbolCoder
from codectk_sgc.integers import IntegerNet
from codectk_sgc.labels.context import CANDIDATES, FEATURES, candidates, features, patterns, restlessness
from codectk_sgc.labels.decide import Decisions
from codectk_sgc.labels.naming import Naming
from codectk_sgc.wavefront import NEIGHBORS, Field

STRIDE = 16
"""Pixels per cell."""

MAX_CLASSES = 255
PREFIX = "labels."

LABELS = LatentSpec("labels", 1, STRIDE, "labels")


class LabelCoder:
    """Codes `labels`, integers (H/16, W/16) of 0..classes-1, without loss.

    Args:
        arrays: the networks "labels.0." to "labels.2.", see `integers.IntegerNet`.
        classes: number of labels, 1..255; encoder and decoder must agree on it.

    Raises:
        WeightsError: the arrays are not those networks.
    """

    needs: tuple[LatentSpec, ...] = (LABELS,)
    gives = needs

    def __init__(self, arrays: Mapping[str, npt.NDArray[np.generic]], classes: int) -> None:
        self.classes = classes
        self._nets = [IntegerNet(arrays, f"{PREFIX}{number}.") for number in range(CANDIDATES)]
        if any((net.inputs, net.outputs) != (FEATURES, 1) for net in self._nets):
            raise WeightsError(f"The networks of the label coder must take {FEATURES} numbers and give one.")

    def code(
        self, coder: SymbolCoder, values: Mapping[str, npt.NDArray[np.integer]] | None, ctx: Context
    ) -> Mapping[str, npt.NDArray[np.int32]]:
        field = Field(-(-ctx.height // STRIDE), -(-ctx.width // STRIDE))
        target = None if values is None else self._target(values["labels"], field)
        steps = field.steps(NEIGHBORS)
        decisions, naming = Decisions(self.classes), Naming(self.classes)
        misses = seen = 0
        for line in field.lines():
            near = field.cells[line[:, None] + steps]
            tried = candidates(near)
            inputs = features(near, tried, restlessness(misses, seen))
            wanted = None if target is None else target.cells[line]
            coded = np.empty(len(line), np.int64)
            left = np.arange(len(line))
            for number, net in enumerate(self._nets):
                asked = left[tried[left, number] >= 0]
                if not asked.size:
                    break
                label = tried[asked, number]
                given = None if wanted is None else wanted[asked] == label
                chances = net(inputs[asked])[:, 0]
                hit = decisions.code(coder, number, chances, patterns(near[asked], label), label, given)
                coded[asked[hit]] = label[hit]
                if number == 0:
                    misses += int((~hit).sum())
                    seen += len(asked)
                left = np.setdiff1d(left, asked[hit], assume_unique=True)
            if left.size:
                coded[left] = naming.code(coder, tried[left], None if wanted is None else wanted[left])
            field.cells[line] = coded
        return {"labels": field.inner.astype(np.int32)}

    def _target(self, labels: npt.NDArray[np.integer], field: Field) -> Field:
        """The map to code inside a border.

        Raises:
            ContractError: not integers of the picture's size in 0..classes-1.
        """
        given = np.asarray(labels)
        shape = (field.height, field.width)
        if given.shape != shape or given.dtype.kind not in "iu":
            raise ContractError(f"The label coder takes integers of shape {shape}, not {given.dtype} {given.shape}.")
        if int(given.min()) < 0 or int(given.max()) >= self.classes:
            raise ContractError(
                f"The label coder takes labels 0 to {self.classes - 1}, not {given.min()} to {given.max()}."
            )
        target = Field(field.height, field.width)
        target.inner[...] = given
        return target
