"""The trained part of coding label maps without loss (`codectk.programs.label_maps`)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from codectk.coding.tables import Tables
from codectk.nn.priors import LIKELIHOOD_MIN, Prior, table_costs, to_counts
from codectk.programs.label_maps import code_label_map
from codectk.programs.values import ValueCoder

LIKELY = 3.0
"""Logit that each neighbor adds to its own label before training."""


class LabelPrior(Prior):
    """A table of probabilities for each pair of neighbors, at left * (classes + 1) + above.

    Args:
        label: accounting name.
        classes: K; labels are 0 .. K - 1, and K stands for the border.
    """

    def __init__(self, label: str, classes: int):
        super().__init__(label)
        self.classes = classes
        logits = torch.zeros(classes + 1, classes + 1, classes)
        own = torch.arange(classes)
        logits[own, :, own] += LIKELY
        logits[:, own, own] += LIKELY
        self.logits = nn.Parameter(logits.flatten(0, 1))

    def bits(self, value: Tensor, index: Tensor) -> Tensor:
        """`value` is a label, perhaps with noise of less than a half."""
        label = value.round().long().clamp(0, self.classes - 1)
        if self.tables is not None:
            costs, first = table_costs(self.tables, value.device)
            stored: Tensor = costs[index, label - first]
            return stored
        bits: Tensor = -torch.log_softmax(self.logits, 1)[index, label] / np.log(2)
        return bits.clamp_max(-np.log2(LIKELIHOOD_MIN))

    @torch.no_grad()
    def build_tables(self) -> Tables:
        rows = torch.softmax(self.logits.double(), 1).cpu()
        return Tables.from_counts([to_counts(row) for row in rows], np.zeros(len(rows), np.int64))


class LabelMapCoder(nn.Module):
    """Codes label maps, see `codectk.programs.label_maps`.

    Args:
        classes: labels are below this number.
        label: accounting name.
    """

    def __init__(self, classes: int, label: str = "labels"):
        super().__init__()
        self.prior = LabelPrior(label, classes)

    def code(self, coder: ValueCoder, labels: Tensor | None, height: int, width: int) -> Tensor:
        """Code labels int64 (B, height, width), or decode a map (1, height, width) when None."""
        prior = self.prior
        known: Tensor = code_label_map(coder, labels, prior, prior.classes, height, width, prior.logits)
        return known
