"""How well label maps agree."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codectk_labels.groups import GROUPS, NAMES


@dataclass(frozen=True)
class Scores:
    """Agreement over many pictures, pixels of unknown truth left out.

    Attributes:
        accuracy: share of pixels with the right label.
        iou: intersection over union by group name; groups that neither truth nor prediction has are absent.
    """

    accuracy: float
    iou: dict[str, float]

    @property
    def mean_iou(self) -> float:
        """Mean over the groups in `iou`."""
        return float(np.mean(list(self.iou.values())))

    def __str__(self) -> str:
        groups = " ".join(f"{name} {value:.2f}" for name, value in self.iou.items())
        return f"pixel accuracy {self.accuracy:.3f}  mIoU {self.mean_iou:.3f}  {groups}"


class Confusion:
    """Counts pixels by true and predicted label."""

    def __init__(self) -> None:
        self.counts = np.zeros((len(NAMES), len(NAMES)), np.int64)

    def add(self, truth: np.ndarray, predicted: np.ndarray) -> None:
        """Count the pixels of two label maps uint8 of one shape."""
        pairs = truth.astype(np.int64) * len(NAMES) + predicted
        self.counts += np.bincount(pairs.ravel(), minlength=self.counts.size).reshape(self.counts.shape)

    def scores(self) -> Scores:
        """Agreement so far; at least one pixel of known truth must have been added."""
        known = self.counts[1:]
        hits = np.array([known[group.index - 1, group.index] for group in GROUPS])
        union = known.sum(1) + known.sum(0)[1:] - hits
        iou = {group.name: float(h / u) for group, h, u in zip(GROUPS, hits, union, strict=True) if u}
        return Scores(float(hits.sum() / known.sum()), iou)
