"""The encoder's segmenter as a conditioning stage, for codecs of other plugins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from codectk.base.types import Context
from codectk.nn.storage import install
from codectk.programs.configurations import check_options
from codectk.weights.manifest import find_entry
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors
from codectk_labels.groups import GROUPS
from codectk_sgc.encoder.analysis import reduced
from codectk_sgc.encoder.segmenter import Segmenter
from codectk_sgc.entropy import PACKAGE

PRESET = "sgc-small"

PREFIX = "analysis.segmenter."
"""What the names of its weights begin with in those of the codec."""


class Labels:
    """Label maps int64 (B, H, W), 1..13, of pictures float (B, 3, H, W) in [0, 1]; never void.

    Args:
        segmenter: trained, of codectk-labels' groups.
    """

    tells = "labels"

    def __init__(self, segmenter: Segmenter):
        self.segmenter = segmenter

    @torch.no_grad()
    def __call__(self, x: Tensor, ctx: Context) -> Tensor:
        self.segmenter.to(x.device)
        seen = self.segmenter.probabilities(reduced(x))
        return F.interpolate(seen, x.shape[-2:], mode="bilinear").argmax(1) + 1


def build(options: Mapping[str, Any]) -> Labels:
    """The stage with the segmenter of the shipped preset.

    Raises:
        UsageError: it has no options.
        WeightsError: the weights are missing or damaged.
    """
    check_options("sgc.segmenter", options)
    arrays = load_tensors(resolve(find_entry(PACKAGE, PRESET), PACKAGE), PREFIX)
    segmenter = Segmenter(len(GROUPS))
    install(segmenter, {name.removeprefix(PREFIX): array for name, array in arrays.items()})
    return Labels(segmenter)
