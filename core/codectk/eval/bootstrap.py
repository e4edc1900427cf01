"""Paired bootstrap over pictures: how far a BD-rate or a mean would move with other pictures of the same kind."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codectk.base.errors import InputError
from codectk.eval.bdrate import compare
from codectk.eval.curves import Curve, Metric, Point, Row, mean_point


@dataclass(frozen=True)
class Interval:
    """A percentile interval.

    Attributes:
        low, high: of a BD-rate (PCHIP) in percent, or in the unit of the values.
        confidence: 0..1.
        resamples: number of resampled picture sets that gave a value.
    """

    low: float
    high: float
    confidence: float
    resamples: int


def bd_rate_interval(
    anchor: Sequence[Row],
    test: Sequence[Row],
    metric: Metric = "psnr",
    *,
    resamples: int = 500,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of the BD-rate of mean curves when pictures are drawn with replacement.

    Both codecs get the same draw each time, so what makes a picture easy or hard for both cancels.

    Args:
        anchor, test: per-picture rows of one codec each; every setting on every common picture is used.
        metric: which quality.
        resamples: number of draws.
        confidence: mass between the two percentiles.
        seed: of the draws; the same seed gives the same interval.

    Returns:
        The interval in percent.

    Raises:
        InputError: fewer than two common pictures, or no draw with overlapping curves.
    """
    images = sorted({r.image for r in anchor} & {r.image for r in test})
    if len(images) < 2:
        raise InputError("A bootstrap over pictures needs at least two pictures that both codecs were measured on.")
    tables = [_table(rows, images) for rows in (anchor, test)]
    generator = np.random.default_rng(seed)
    rates = []
    for _ in range(resamples):
        draw = [images[i] for i in generator.integers(0, len(images), len(images))]
        curves = [_curve(name, table, draw) for name, table in zip(("anchor", "test"), tables, strict=True)]
        try:
            rates.append(compare(curves[0], curves[1], metric).pchip)
        except InputError:
            continue
    if not rates:
        raise InputError("No resampled set of pictures gave two curves that overlap.")
    tail = 50 * (1 - confidence)
    low, high = np.percentile(rates, [tail, 100 - tail])
    return Interval(float(low), float(high), confidence, len(rates))


def difference_interval(
    first: Sequence[float],
    second: Sequence[float],
    *,
    resamples: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Interval of the mean of `second` - `first` when pictures are drawn with replacement.

    Args:
        first, second: one value per picture each, in the same order.
        resamples: number of draws.
        confidence: mass between the two percentiles.
        seed: of the draws; the same seed gives the same interval.

    Raises:
        InputError: different numbers of values, or fewer than two.
    """
    if len(first) != len(second) or len(first) < 2:
        raise InputError(f"A paired bootstrap needs two values or more of both, not {len(first)} and {len(second)}.")
    differences = np.subtract(second, first)
    draws = np.random.default_rng(seed).integers(0, len(differences), (resamples, len(differences)))
    tail = 50 * (1 - confidence)
    low, high = np.percentile(differences[draws].mean(1), [tail, 100 - tail])
    return Interval(float(low), float(high), confidence, resamples)


def _table(rows: Sequence[Row], images: Sequence[str]) -> dict[str, dict[str, Point]]:
    table: dict[str, dict[str, Point]] = {}
    for row in rows:
        if row.image in images:
            table.setdefault(row.setting, {})[row.image] = row.point
    return {setting: points for setting, points in table.items() if len(points) == len(images)}


def _curve(name: str, table: dict[str, dict[str, Point]], draw: Sequence[str]) -> Curve:
    return Curve(name, tuple(mean_point([points[i] for i in draw], s) for s, points in table.items()), len(draw))
