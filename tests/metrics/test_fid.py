"""Patches, FID and KID against their definitions."""

from __future__ import annotations

import numpy as np
import pytest

from codectk.metrics.fid import frechet, kernel_distance, patches


@pytest.mark.parametrize(
    ("height", "width", "corners"),
    [
        (512, 768, [(0, 0), (0, 256), (0, 512), (256, 0), (256, 256), (256, 512), (128, 128), (128, 384)]),
        (256, 256, [(0, 0)]),
        (383, 800, [(0, 0), (0, 256), (0, 512)]),
        (384, 384, [(0, 0), (128, 128)]),
        (255, 900, []),
    ],
)
def test_patches_lie_on_two_grids(height: int, width: int, corners: list[tuple[int, int]]) -> None:
    y, x = np.mgrid[:height, :width]
    pixels = np.stack([y // 4, x // 4, x * 0], 2).astype(np.uint8)
    found = list(patches(pixels))
    assert all(p.shape == (256, 256, 3) for p in found)
    assert [(int(p[0, 0, 0]) * 4, int(p[0, 0, 1]) * 4) for p in found] == corners


@pytest.mark.parametrize("count", [25, 300])
def test_frechet_is_the_formula(count: int) -> None:
    linalg = pytest.importorskip("scipy.linalg", reason="the reference needs scipy")
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(count, 30)), rng.normal(size=(count + 4, 30)) * 1.3 + 0.2
    ca, cb = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    difference = a.mean(0) - b.mean(0)
    wanted = difference @ difference + np.trace(ca + cb) - 2 * np.trace(linalg.sqrtm(ca @ cb)).real
    assert frechet(a, b) == pytest.approx(wanted, rel=1e-5)


def test_equal_sets_have_no_distance() -> None:
    a = np.random.default_rng(0).normal(size=(40, 60))
    assert frechet(a, a) == pytest.approx(0, abs=1e-9)
    # A product of equal matrices may round differently from run to run of a BLAS, by what it is made of.
    assert kernel_distance(a, a) == pytest.approx((0, 0), abs=1e-12)


def test_kid_is_the_unbiased_estimator_over_subsets() -> None:
    rng = np.random.default_rng(1)
    x = rng.normal(size=(12, 5))
    y = x + 0.5 * rng.normal(size=x.shape) + 0.3

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / 5 + 1) ** 3)

    def plain(rows: np.ndarray) -> float:
        terms = [k(x[i], x[j]) + k(y[i], y[j]) - k(x[i], y[j]) - k(x[j], y[i]) for i in rows for j in rows if i != j]
        return float(np.mean(terms))

    draws = np.random.default_rng(0)
    values = [plain(draws.choice(12, 6, replace=False)) for _ in range(20)]
    assert kernel_distance(x, y, subsets=20) == pytest.approx((np.mean(values), np.std(values)))


def test_kid_of_few_pairs_has_the_mean_of_many() -> None:
    """With terms of a patch with itself, as packages have them, the mean over small sets would be far too low."""
    rng = np.random.default_rng(2)

    def pairs(count: int) -> tuple[np.ndarray, np.ndarray]:
        x = np.abs(rng.normal(size=(count, 16)))
        return x, x + 0.2

    many = kernel_distance(*pairs(4000), subsets=10)[0]
    few = [kernel_distance(*pairs(20), subsets=10)[0] for _ in range(200)]
    assert np.mean(few) == pytest.approx(many, abs=4 * np.std(few) / np.sqrt(len(few)))
    assert many > 0.1


def test_kid_repeats() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(50, 8)), rng.normal(size=(50, 8))
    assert kernel_distance(a, b) == pytest.approx(kernel_distance(a, b), rel=1e-9)
    assert kernel_distance(a, b, seed=1) != pytest.approx(kernel_distance(a, b), rel=1e-6)
