"""What `codectk eval` measures: metrics of one picture, and of many together."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np


class Metric(Protocol):
    """What every metric says about itself; `codectk eval` shows name and backbone together wherever it shows a value.

    Attributes:
        name: what is measured, such as "LPIPS" or "FID/256". A distance of another backbone needs another name.
        backbone: network and origin of its weights, such as "Alex v0.1"; "" for a formula without a network.
        lower_is_better: the direction.
        protocol: one line on how the value is made.
    """

    name: str
    backbone: str
    lower_is_better: bool
    protocol: str


class PictureMetric(Metric, Protocol):
    """A metric of one picture; a setting's value is the mean over pictures."""

    scope: Literal["picture"]

    def __call__(self, reference: np.ndarray, picture: np.ndarray) -> float | None:
        """Compare two uint8 (H, W, 3) RGB pictures of one size; None where they are too small to be measured."""
        ...


def label(metric: Metric) -> str:
    """How a metric is called wherever its value stands: with its backbone."""
    return f"{metric.name} ({metric.backbone})" if metric.backbone else metric.name


@dataclass(frozen=True)
class SetScore:
    """The value of a metric over a set of pictures.

    Attributes:
        value: the metric.
        samples: how many pictures or patches it was computed from.
        std: standard deviation of the estimate, or None.
        note: one sentence that a reader of the value must know, or "".
    """

    value: float
    samples: int
    std: float | None = None
    note: str = ""


class SetMetric(Metric, Protocol):
    """A metric of all pictures of a setting together, such as a distance between distributions."""

    scope: Literal["set"]

    def __call__(self, pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> SetScore | None:
        """Compare (reference, decoded) pairs of uint8 (H, W, 3) RGB; None where there is too little to measure."""
        ...


AnyMetric = PictureMetric | SetMetric
