"""BD-rate: the mean difference in bits at equal quality (Bjontegaard, VCEG-M33, 2001).

The logarithm of the rate is interpolated over quality, piecewise and monotone where possible, and the difference is
averaged over the qualities that both curves reach. PCHIP and Akima are given side by side because the choice of
interpolation alone can move the number by several percent when points are few. A paired bootstrap over pictures says
how far a BD-rate or a mean would move with other pictures of the same kind.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from codectk.base.errors import InputError
from codectk.eval.curves import Curve, Metric, Point, Row, mean_point

Method = Literal["pchip", "akima"]
_MIN_POINTS = 3


@dataclass(frozen=True)
class BdRate:
    """BD-rate of one curve against an anchor.

    Attributes:
        anchor, test: names of the curves.
        metric: "psnr" or "ms_ssim" (on its dB scale).
        pchip, akima: percent of bits, negative if the tested curve needs fewer.
        low, high: overlap in dB over which the mean was taken.
        share: overlap divided by the span of both curves together, 0..1.
        points: points of the tested curve inside the overlap.
        dropped: points left out because a cheaper one is at least as good, in both curves together.
    """

    anchor: str
    test: str
    metric: Metric
    pchip: float
    akima: float
    low: float
    high: float
    share: float
    points: int
    dropped: int


def bd_rate(
    anchor_bpp: ArrayLike, anchor_db: ArrayLike, test_bpp: ArrayLike, test_db: ArrayLike, method: Method = "pchip"
) -> float:
    """Mean rate difference over the full overlap of two curves.

    Args:
        anchor_bpp, test_bpp: rates > 0, any unit.
        anchor_db, test_db: qualities in dB, strictly rising with the rate.
        method: interpolation of log rate over quality.

    Returns:
        Percent, negative if the tested curve needs fewer bits.

    Raises:
        InputError: fewer than three points, qualities that do not rise with the rate, or no overlap.
    """
    anchor, test = _arrays(anchor_bpp, anchor_db), _arrays(test_bpp, test_db)
    low, high = _overlap(anchor[1], test[1])
    if high <= low:
        raise InputError("The two curves have no quality in common, so there is no BD-rate.")
    return _rate_difference(anchor, test, low, high, method)


def compare(anchor: Curve, test: Curve, metric: Metric = "psnr", window: tuple[float, float] | None = None) -> BdRate:
    """BD-rate of `test` against `anchor` by both interpolations, with the overlap it holds for.

    Args:
        anchor, test: mean curves over the same pictures.
        metric: which quality.
        window: qualities in dB to clip the overlap to, or None for all of it.

    Returns:
        The numbers and what they rest on.

    Raises:
        InputError: too few points in a curve, or no overlap.
    """
    anchor_all, test_all = anchor.values(metric), test.values(metric)
    for curve, values in ((anchor, anchor_all), (test, test_all)):
        if len(rising(*values)[0]) < _MIN_POINTS:
            raise InputError(f"A BD-rate needs {_MIN_POINTS} rising points; {curve.title} has fewer for {metric}.")
    kept_anchor, kept_test = rising(*anchor_all), rising(*test_all)
    low, high = _overlap(kept_anchor[1], kept_test[1])
    if window is not None:
        low, high = max(low, window[0]), min(high, window[1])
    if high <= low:
        raise InputError(f"{test.title} and {anchor.title} have no quality in common, so there is no BD-rate.")
    span = max(kept_anchor[1][-1], kept_test[1][-1]) - min(kept_anchor[1][0], kept_test[1][0])
    inside = (kept_test[1] >= low) & (kept_test[1] <= high)
    return BdRate(
        anchor=anchor.title,
        test=test.title,
        metric=metric,
        pchip=_rate_difference(kept_anchor, kept_test, low, high, "pchip"),
        akima=_rate_difference(kept_anchor, kept_test, low, high, "akima"),
        low=low,
        high=high,
        share=(high - low) / float(span),
        points=int(inside.sum()),
        dropped=len(anchor_all[0]) + len(test_all[0]) - len(kept_anchor[0]) - len(kept_test[0]),
    )


def rising(bpp: NDArray[np.float64], db: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The points that are better than every cheaper one.

    Args:
        bpp, db: rates and qualities, sorted by rate.

    Returns:
        The same two arrays without the points that cost more and give nothing.
    """
    keep = [i for i in range(len(db)) if i == 0 or db[i] > db[:i].max()]
    return bpp[keep], db[keep]


def _arrays(bpp: ArrayLike, db: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rates, qualities = np.asarray(bpp, np.float64), np.asarray(db, np.float64)
    if rates.ndim != 1 or rates.shape != qualities.shape or len(rates) < _MIN_POINTS:
        raise InputError(f"A BD-rate needs at least {_MIN_POINTS} points per curve, each with a rate and a quality.")
    order = np.argsort(rates, kind="stable")
    rates, qualities = rates[order], qualities[order]
    if not (rates > 0).all() or not (np.diff(qualities) > 0).all():
        raise InputError("A BD-rate needs positive rates and a quality that rises with the rate.")
    return rates, qualities


def _overlap(anchor_db: NDArray[np.float64], test_db: NDArray[np.float64]) -> tuple[float, float]:
    """The qualities both curves reach; empty (high <= low) if there are none."""
    return float(max(anchor_db[0], test_db[0])), float(min(anchor_db[-1], test_db[-1]))


def _rate_difference(
    anchor: tuple[NDArray[np.float64], NDArray[np.float64]],
    test: tuple[NDArray[np.float64], NDArray[np.float64]],
    low: float,
    high: float,
    method: Method,
) -> float:
    mean = (_integral(*test, low, high, method) - _integral(*anchor, low, high, method)) / (high - low)
    return 100 * math.expm1(mean)


def _integral(bpp: NDArray[np.float64], db: NDArray[np.float64], low: float, high: float, method: Method) -> float:
    """Integral of ln(bpp) over quality from low to high."""
    # scipy belongs to the extra `eval`; metrics and references work without it.
    from scipy.interpolate import Akima1DInterpolator, PchipInterpolator

    interpolator = PchipInterpolator if method == "pchip" else Akima1DInterpolator
    return float(interpolator(db, np.log(bpp)).integrate(low, high))


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
    tables = [_by_setting(rows, images) for rows in (anchor, test)]
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


def _by_setting(rows: Sequence[Row], images: Sequence[str]) -> dict[str, dict[str, Point]]:
    table: dict[str, dict[str, Point]] = {}
    for row in rows:
        if row.image in images:
            table.setdefault(row.setting, {})[row.image] = row.point
    return {setting: points for setting, points in table.items() if len(points) == len(images)}


def _curve(name: str, table: dict[str, dict[str, Point]], draw: Sequence[str]) -> Curve:
    return Curve(name, tuple(mean_point([points[i] for i in draw], s) for s, points in table.items()), len(draw))
