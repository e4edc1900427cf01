"""Lossless coding of label maps: each label from the two that are known beside it.

Contexts are the labels to the left and above (or the border), with one table each. The map is coded along its
anti-diagonals, so that a whole diagonal is one call of the coder.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from codectk.coding.tables import Tables
from codectk.nn.coders import TensorCoder
from codectk.nn.priors import LIKELIHOOD_MIN, Prior, table_costs, to_counts

LIKELY = 3.0
"""Logit that each neighbor adds to its own label before training."""


class LabelPrior(Prior):
    """A table of probabilities for each pair of neighbors.

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

    def index(self, left: Tensor, above: Tensor) -> Tensor:
        """Table index of labels int64, any shape."""
        return left * (self.classes + 1) + above

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
    """Codes label maps; see the module's text.

    Args:
        classes: labels are below this number.
        label: accounting name.
    """

    def __init__(self, classes: int, label: str = "labels"):
        super().__init__()
        self.prior = LabelPrior(label, classes)

    def code(self, coder: TensorCoder, labels: Tensor | None, height: int, width: int) -> Tensor:
        """Code labels int64 (B, height, width), or decode a map (1, height, width) when None."""
        prior, device = self.prior, self.prior.logits.device
        batch = 1 if labels is None else labels.shape[0]
        known = torch.full((batch, height + 1, width + 1), prior.classes, device=device)
        for diagonal in range(height + width - 1):
            row = torch.arange(max(0, diagonal - width + 1), min(height - 1, diagonal) + 1, device=device)
            column = diagonal - row
            index = prior.index(known[:, row + 1, column], known[:, row, column + 1])
            here = None if labels is None else labels[:, row, column].float()
            coded = coder.code(index, here, prior)
            # A crafted file may hold escape codes for labels that there are not; the digest refuses them later.
            known[:, row + 1, column + 1] = coded.detach().round().long().clamp(0, prior.classes - 1)
        return known[:, 1:, 1:]
