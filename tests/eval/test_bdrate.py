"""BD-rate against theory, against the package `bjontegaard` and against measured tables."""

from __future__ import annotations

import re

import numpy as np
import pytest

from codectk.base.errors import InputError
from codectk.eval.bdrate import bd_rate, bd_rate_interval, compare, difference_interval, rising
from codectk.eval.curve_files import load_curves
from codectk.eval.curves import Curve, Point, Row


def curve(name: str, bpp: list[float], db: list[float]) -> Curve:
    return Curve(name, tuple(Point(b, d, None) for b, d in zip(bpp, db, strict=True)))


def random_curve(seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    count = int(generator.integers(4, 12))
    return np.cumsum(generator.uniform(0.03, 0.3, count)), 24 + np.cumsum(generator.uniform(0.4, 2.5, count))


@pytest.mark.parametrize("method", ["pchip", "akima"])
def test_a_constant_saving_is_found_exactly(method) -> None:
    bpp, db = random_curve(0)
    assert bd_rate(bpp, db, bpp * 0.8, db, method) == pytest.approx(-20)
    assert bd_rate(bpp * 0.8, db, bpp, db, method) == pytest.approx(25)


@pytest.mark.parametrize("method", ["pchip", "akima"])
@pytest.mark.parametrize("seed", range(6))
def test_equals_the_package_bjontegaard(method, seed: int) -> None:
    reference = pytest.importorskip("bjontegaard", reason="the package bjontegaard is not installed")
    anchor, test = random_curve(2 * seed), random_curve(2 * seed + 1)
    expected = reference.bd_rate(*anchor, *test, method=method, require_matching_points=False, min_overlap=0)
    assert bd_rate(*anchor, *test, method) == pytest.approx(expected, abs=1e-8)


def test_the_order_of_points_does_not_matter() -> None:
    (b1, d1), (b2, d2) = random_curve(3), random_curve(4)
    assert bd_rate(b1[::-1], d1[::-1], b2, d2) == bd_rate(b1, d1, b2, d2)


@pytest.mark.parametrize(
    ("bpp", "db"),
    [([0.1, 0.2], [30, 31]), ([0.1, 0.2, 0.3], [30, 31, 31]), ([0.0, 0.2, 0.3], [30, 31, 32]), ([1, 2, 3], [1, 2])],
)
def test_no_curve_is_refused(bpp, db) -> None:
    with pytest.raises(InputError):
        bd_rate([0.1, 0.2, 0.3], [29, 31, 33], bpp, db)


def test_no_overlap_is_refused() -> None:
    low, high = curve("low", [0.1, 0.2, 0.3], [20, 21, 22]), curve("high", [0.1, 0.2, 0.3], [30, 31, 32])
    with pytest.raises(InputError, match="no quality in common"):
        compare(low, high)
    with pytest.raises(InputError, match="no quality in common"):
        compare(low, low, window=(40, 50))


def test_compare_says_what_it_rests_on() -> None:
    anchor = curve("anchor", [0.1, 0.2, 0.4, 0.8], [28, 30, 32, 34])
    test = curve("test", [0.05, 0.1, 0.15, 0.2, 0.4], [26, 29, 28.5, 31, 33])
    result = compare(anchor, test)
    assert (result.low, result.high) == (28, 33)
    assert result.share == pytest.approx(5 / 8)
    # 28.5 dB at 0.15 bpp is beaten by 29 dB at 0.1 bpp.
    assert result.dropped == 1 and result.points == 3
    assert compare(anchor, anchor).pchip == pytest.approx(0, abs=1e-12)


def test_a_metric_that_is_missing_is_refused() -> None:
    only_psnr = curve("psnr only", [0.1, 0.2, 0.3], [30, 31, 32])
    with pytest.raises(InputError, match="ms_ssim"):
        compare(only_psnr, only_psnr, "ms_ssim")


def test_rising_keeps_the_first_of_equals() -> None:
    bpp, db = rising(np.array([1.0, 2, 3, 4]), np.array([5.0, 5, 7, 6]))
    assert bpp.tolist() == [1, 3] and db.tolist() == [5, 7]


def rows(codec: str, factor: float, spread: float) -> list[Row]:
    generator = np.random.default_rng(7)
    made = []
    for image in range(12):
        hard = generator.uniform(0.5, 2.0)
        own = 1 + spread * generator.normal()
        for i, db in enumerate((28.0, 30.0, 32.0, 34.0)):
            bpp = 0.1 * 1.6**i * hard * factor * own
            made.append(Row(codec, f"q{i}", f"im{image}", 1, Point(bpp, db, None, f"q{i}")))
    return made


def test_bootstrap_is_paired() -> None:
    # Pictures differ fourfold in difficulty, yet a saving that all of them share has no uncertainty.
    interval = bd_rate_interval(rows("a", 1, 0), rows("b", 0.7, 0), resamples=50)
    assert interval.low == pytest.approx(-30) and interval.high == pytest.approx(-30)
    assert interval.resamples == 50


def test_bootstrap_covers_the_mean_and_repeats() -> None:
    anchor, test = rows("a", 1, 0), rows("b", 0.9, 0.1)
    interval = bd_rate_interval(anchor, test, resamples=200)
    assert interval.low < interval.high
    assert interval == bd_rate_interval(anchor, test, resamples=200)
    # As if those that need more bits were the whole world.
    assert bd_rate_interval(anchor, rows("b", 1.3, 0.1), resamples=50).low > interval.high


def test_bootstrap_needs_common_pictures() -> None:
    other = [Row(r.codec, r.setting, "else", r.bytes, r.point) for r in rows("b", 1, 0)]
    with pytest.raises(InputError, match="two pictures"):
        bd_rate_interval(rows("a", 1, 0), other)


def test_differences_are_paired() -> None:
    hard = np.random.default_rng(1).uniform(0, 100, 30)
    same = difference_interval(hard, hard + 2)
    assert same.low == pytest.approx(2) and same.high == pytest.approx(2)
    noisy = difference_interval(hard, hard + np.random.default_rng(2).normal(2, 1, 30))
    assert 1 < noisy.low < 2 < noisy.high < 3 and noisy.resamples == 2000
    with pytest.raises(InputError, match="not 30 and 29"):
        difference_interval(hard, hard[1:])


@pytest.mark.parametrize("name", ["webp-m6", "avif-444-s6-psnr", "jxl-e7", "jpeg-444-prog", "vvenc-420-slow"])
def test_measured_bd_rates(baselines, name: str) -> None:
    line = next(x for x in (baselines / "bdrate.md").read_text().splitlines() if x.startswith(f"| meas:{name} "))
    cells = [c.strip() for c in line.strip("|").split("|")]
    curves = {c.name: c for c in load_curves(baselines / "baselines-kodak-mean.json")}
    vtm = next(c for c in load_curves(baselines / "published-kodak.json") if c.name == "vtm")
    jpeg, test = curves["jpeg-420-prog"], curves[name]
    low, high = map(float, re.findall(r"[\d.]+", cells[4]))
    against_vtm = compare(vtm, test)
    assert against_vtm.pchip == pytest.approx(float(cells[3]), abs=0.051)
    assert (against_vtm.low, against_vtm.high) == (pytest.approx(low, abs=0.051), pytest.approx(high, abs=0.051))
    assert compare(jpeg, test).pchip == pytest.approx(float(cells[6]), abs=0.051)
    assert compare(jpeg, test, window=(28, 37)).pchip == pytest.approx(float(cells[7].split()[0]), abs=0.051)
    assert compare(jpeg, test, "ms_ssim").pchip == pytest.approx(float(cells[9]), abs=0.051)
