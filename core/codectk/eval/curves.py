"""Rate-distortion curves: what anchors, measurements, BD-rates and plots have in common; values at equal rates."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codectk.base.errors import InputError
from codectk.metrics.ms_ssim import ms_ssim_db

Metric = Literal["psnr", "ms_ssim"]
METRICS: tuple[Metric, ...] = ("psnr", "ms_ssim")
"""What BD-rates are given for. Other metrics go by their label, which names their backbone."""


@dataclass(frozen=True)
class Point:
    """One setting of one codec, for one picture or as a mean over several.

    Attributes:
        bpp: file bytes x 8 / pixels.
        psnr: dB, or None where not measured.
        ms_ssim: 0..1, or None where not measured.
        setting: the encoder's setting, such as "q30".
        scores: values of further metrics by label, such as "LPIPS (Alex v0.1)".
    """

    bpp: float
    psnr: float | None
    ms_ssim: float | None
    setting: str = ""
    scores: Mapping[str, float] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Row:
    """One picture at one setting of one codec: the line of a table of measurements.

    Attributes:
        codec, setting, image: names; `image` is a file's stem.
        bytes: size of the complete file.
        point: its rate and qualities.
    """

    codec: str
    setting: str
    image: str
    bytes: int
    point: Point


@dataclass(frozen=True)
class Curve:
    """One codec over its settings.

    Attributes:
        name: what it is called in its source.
        points: in the order of their source.
        pictures: number of pictures each point is a mean of, or None if the source does not say.
        label: name for tables and plots; the name where empty.
        rows: the measurements behind the points, picture by picture, where they are known.
    """

    name: str
    points: tuple[Point, ...]
    pictures: int | None = None
    label: str = ""
    rows: tuple[Row, ...] = field(default=(), repr=False, compare=False)

    @property
    def title(self) -> str:
        return self.label or self.name

    def values(self, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rates and qualities, sorted by rate.

        Args:
            metric: "psnr" in dB, "ms_ssim" as -10 log10(1 - MS-SSIM), also in dB, or the label of another metric,
                whose values are as they are.

        Returns:
            bpp and qualities, float64 of one length; points without the metric or without loss are left out.
        """
        pairs = []
        for point in self.points:
            quality = quality_db(point, metric)
            if quality is not None and math.isfinite(quality):
                pairs.append((point.bpp, quality))
        pairs.sort()
        return np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])


def quality_db(point: Point, metric: str) -> float | None:
    """The quality of a point, on the dB scale of metrics that have one, or None where not measured."""
    if metric == "psnr":
        return point.psnr
    if metric == "ms_ssim":
        return None if point.ms_ssim is None else ms_ssim_db(point.ms_ssim)
    return point.scores.get(metric)


def mean_point(points: Sequence[Point], setting: str) -> Point:
    """Arithmetic means of bpp and of each metric over pictures.

    A metric that any picture lacks (MS-SSIM of a small one) has no mean: a mean over fewer pictures than the
    rate's would not belong to it.

    Raises:
        InputError: no points.
    """
    if not points:
        raise InputError("A mean needs at least one measured picture.")

    def mean(values: Sequence[float | None]) -> float | None:
        present = [v for v in values if v is not None]
        return sum(present) / len(present) if len(present) == len(values) else None

    bpp = sum(p.bpp for p in points) / len(points)
    labels = dict.fromkeys(label for p in points for label in p.scores)
    scores = {label: mean([p.scores.get(label) for p in points]) for label in labels}
    return Point(
        bpp,
        mean([p.psnr for p in points]),
        mean([p.ms_ssim for p in points]),
        setting,
        {label: value for label, value in scores.items() if value is not None},
    )


def mean_curves(rows: Iterable[Row], images: Sequence[str] | None = None) -> list[Curve]:
    """Mean curve of each codec in a table, over one set of pictures.

    Settings measured on fewer pictures than the codec's most complete setting are left out: means over different
    pictures must not share a curve.

    Args:
        rows: measurements of any number of codecs.
        images: use these pictures only, and only settings that have all of them; None for all pictures.

    Returns:
        One curve per codec in the order of first appearance; codecs without a complete setting are left out.
    """
    table: dict[str, dict[str, dict[str, Row]]] = {}
    for row in rows:
        if images is None or row.image in images:
            table.setdefault(row.codec, {}).setdefault(row.setting, {})[row.image] = row
    curves = []
    for codec, settings in table.items():
        full = len(set(images)) if images is not None else max(len(v) for v in settings.values())
        kept = {setting: tuple(found.values()) for setting, found in settings.items() if len(found) == full}
        if kept:
            points = tuple(mean_point([r.point for r in found], setting) for setting, found in kept.items())
            curves.append(Curve(codec, points, full, rows=tuple(r for found in kept.values() for r in found)))
    return curves


MOST_RATES = 6
"""Rates that are chosen where nobody names any."""


@dataclass(frozen=True)
class EqualRate:
    """One metric at common rates.

    Attributes:
        metric: "psnr" or a label.
        rates: bits per pixel.
        values: by title of the curve, a value per rate, or None where the curve does not reach it.
    """

    metric: str
    rates: tuple[float, ...]
    values: dict[str, tuple[float | None, ...]]


def at_rates(curves: Sequence[Curve], metric: str, rates: Sequence[float]) -> EqualRate:
    """Interpolate curves at common rates, linearly over the logarithm of the rate and never beyond their ends.

    Args:
        curves: mean curves; those without the metric are left out.
        metric: "psnr" or a label.
        rates: bits per pixel.
    """
    values: dict[str, tuple[float | None, ...]] = {}
    for curve in curves:
        bpp, quality = curve.values(metric)
        if len(bpp):
            inside = [float(bpp[0]) <= rate <= float(bpp[-1]) for rate in rates]
            found = np.interp(np.log(rates), np.log(bpp), quality)
            # An earlier run of the same codec may be among the anchors.
            title = curve.title if curve.title not in values else f"{curve.title} (anchor)"
            values[title] = tuple(float(v) if ok else None for v, ok in zip(found, inside, strict=True))
    return EqualRate(metric, tuple(rates), values)


def common_rates(curve: Curve) -> list[float]:
    """Rates to compare at: those of a curve's own points, which need no interpolation, thinned to `MOST_RATES`."""
    bpp = sorted({point.bpp for point in curve.points})
    if len(bpp) <= MOST_RATES:
        return bpp
    return [bpp[round(i * (len(bpp) - 1) / (MOST_RATES - 1))] for i in range(MOST_RATES)]
