"""What each codec reaches at one rate, read off its curve: for metrics that no BD-rate is given for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codectk.eval.curves import Curve

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
