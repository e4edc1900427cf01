"""The segmenter as a conditioning stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk.programs.configurations import check_options
from codectk_labels.predict import SIDES, probabilities
from codectk_labels.preset import load_segmenter
from codectk_labels.segmenter import Segmenter


class Labels:
    """Label maps int64 (B, H, W), 1..13, of pictures float (B, 3, H, W) in [0, 1]; never void."""

    tells = "labels"

    def __init__(self, segmenter: Segmenter, sides: Sequence[int] = SIDES):
        self.segmenter, self.sides = segmenter, tuple(sides)

    def __call__(self, x: Tensor, ctx: Context) -> Tensor:
        self.segmenter.to(x.device)
        return probabilities(self.segmenter, x, self.sides).argmax(1) + 1


def build(options: Mapping[str, Any]) -> Labels:
    """The stage with the shipped weights.

    Raises:
        UsageError: an unknown option, or `sides` are not one or more whole numbers of at least 32.
        WeightsError: the weights are missing or damaged.
    """
    check_options("labels.segmenter", options, ("sides",))
    sides = options.get("sides", SIDES)
    if not isinstance(sides, (list, tuple)) or not sides or not all(type(s) is int and s >= 32 for s in sides):
        raise UsageError("The option 'sides' of labels.segmenter is a list of whole numbers of at least 32.")
    return Labels(load_segmenter(), sides)
