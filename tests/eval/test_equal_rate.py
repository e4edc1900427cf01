"""Curves read off at common rates."""

from __future__ import annotations

import pytest

from codectk.eval.curves import MOST_RATES, Curve, Point, at_rates, common_rates

LPIPS = "LPIPS (Alex v0.1)"


def curve(name: str, *points: tuple[float, float]) -> Curve:
    return Curve(name, tuple(Point(bpp, 30, None, "", {LPIPS: value}) for bpp, value in points))


def test_values_are_between_points_and_never_beyond() -> None:
    mine, old = curve("mine", (0.1, 0.4), (0.4, 0.2)), curve("old", (0.2, 0.5), (0.3, 0.45), (0.8, 0.1))
    none = Curve("none", (Point(0.2, 30, 0.9),))
    found = at_rates([mine, old, none], LPIPS, [0.1, 0.2, 0.4, 0.9])
    assert found.metric == LPIPS and found.rates == (0.1, 0.2, 0.4, 0.9)
    # 0.2 is half way from 0.1 to 0.4 in octaves.
    assert found.values["mine"] == (pytest.approx(0.4), pytest.approx(0.3), pytest.approx(0.2), None)
    assert found.values["old"][:2] == (None, pytest.approx(0.5)) and found.values["old"][3] is None
    assert set(found.values) == {"mine", "old"}


def test_a_curve_and_an_earlier_one_of_its_name_are_both_shown() -> None:
    values = at_rates([curve("a", (0.1, 0.4), (0.4, 0.2)), curve("a", (0.1, 0.6), (0.4, 0.3))], LPIPS, [0.1]).values
    assert values == {"a": (pytest.approx(0.4),), "a (anchor)": (pytest.approx(0.6),)}


def test_rates_are_those_of_measured_points() -> None:
    few = curve("few", (0.3, 1), (0.1, 2))
    assert common_rates(few) == [0.1, 0.3]
    many = curve("many", *((0.1 * i, 1.0) for i in range(1, 12)))
    chosen = common_rates(many)
    assert len(chosen) == MOST_RATES and chosen[0] == 0.1 and chosen[-1] == pytest.approx(1.1)
    assert set(chosen) <= {p.bpp for p in many.points}
