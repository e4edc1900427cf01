"""For ablation.py: from rows of several seeds to what a part is worth, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from codectk.eval.bdrate import bd_rate_interval, compare
from codectk.eval.curves import Row, mean_curves, mean_point

Rows = Mapping[tuple[str, int], Sequence[Row]]
"""Measurements by variant and seed, all on the same pictures and settings in the same order."""


class Effect(NamedTuple):
    """What leaving a part out does to the rate, in percent of bits at equal PSNR.

    Attributes:
        by_seed: BD-rate against the whole method of the same seed.
        rate: BD-rate between the curves averaged over those seeds.
        pictures: 95 % interval of `rate`, paired bootstrap over pictures.
        seeds: 95 % interval of the mean of `by_seed`, or None where no part has two seeds.
    """

    by_seed: dict[int, float]
    rate: float
    pictures: tuple[float, float]
    seeds: tuple[float, float] | None

    @property
    def verdict(self) -> str:
        """What can be said of the part: only what two seeds or more and both intervals agree on."""
        if self.seeds is None or len(self.by_seed) < 2:
            return "not sure"
        if min(*self.pictures, *self.seeds) > 0:
            return "helps"
        return "hurts" if max(*self.pictures, *self.seeds) < 0 else "not sure"


def bd(anchor: Sequence[Row], test: Sequence[Row]) -> float:
    """BD-rate (PSNR, PCHIP) of the mean curves, percent."""
    return compare(mean_curves(anchor)[0], mean_curves(test)[0]).pchip


def averaged(tables: Sequence[Sequence[Row]]) -> list[Row]:
    """Means over seeds of rows in the same order."""
    means = [mean_point([row.point for row in rows], rows[0].setting) for rows in zip(*tables, strict=True)]
    return [Row("", row.setting, row.image, 0, point) for row, point in zip(tables[0], means, strict=True)]


def deviation(by_seed: Sequence[Mapping[int, float]]) -> tuple[float, int]:
    """Standard deviation between seeds, pooled over the parts, and its degrees of freedom.

    Two or three seeds of one part alone say little about it. NaN without any degree of freedom.
    """
    values = [np.array(list(found.values())) for found in by_seed]
    freedom = sum(len(v) - 1 for v in values)
    squares = sum(float(np.square(v - v.mean()).sum()) for v in values)
    return (math.sqrt(squares / freedom) if freedom else math.nan), freedom


def effects(rows: Rows, whole: str, parts: Sequence[str]) -> dict[str, Effect]:
    """What each part does that was left out in at least one seed in which the whole method was trained too."""
    seeds = {p: [s for q, s in rows if q == p and (whole, s) in rows] for p in parts}
    by_seed = {p: {s: bd(rows[whole, s], rows[p, s]) for s in found} for p, found in seeds.items() if found}
    spread, freedom = deviation(list(by_seed.values()))
    made = {}
    for part, found in by_seed.items():
        with_part, without = (averaged([rows[name, s] for s in found]) for name in (whole, part))
        pictures = bd_rate_interval(with_part, without)
        seeds_interval = None
        if freedom:
            middle = float(np.mean(list(found.values())))
            reach = float(student.ppf(0.975, freedom)) * spread / math.sqrt(len(found))
            seeds_interval = (middle - reach, middle + reach)
        made[part] = Effect(found, bd(with_part, without), (pictures.low, pictures.high), seeds_interval)
    return made


def markdown(found: Mapping[str, Effect], names: Mapping[str, str], spread: Mapping[int, float]) -> str:
    """The table of the results; `spread` is the whole method's other seeds against its first."""
    seeds = sorted({s for effect in found.values() for s in effect.by_seed} | set(spread))
    head = ["left out", *(f"seed {s}" for s in seeds), "mean", "95 % over pictures", "95 % over seeds", "the part"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for part, effect in found.items():
        each = [f"{effect.by_seed[s]:+.2f}" if s in effect.by_seed else "" for s in seeds]
        over = [_span(effect.pictures), _span(effect.seeds) if effect.seeds else ""]
        lines.append(f"| {' | '.join([names[part], *each, f'**{effect.rate:+.2f} %**', *over, effect.verdict])} |")
    each = [f"{spread[s]:+.2f}" if s in spread else "" for s in seeds]
    lines.append(f"| {' | '.join(['nothing (the whole method against its first seed)', *each, '', '', '', ''])} |")
    return "\n".join(lines) + "\n"


def _span(interval: tuple[float, float]) -> str:
    return f"{interval[0]:+.2f} to {interval[1]:+.2f}"
