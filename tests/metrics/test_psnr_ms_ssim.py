"""Metrics against their formulas, against other implementations, and against measured tables."""

from __future__ import annotations

import csv
import math
import time

import numpy as np
import pytest
from scipy.signal import convolve2d

from codectk.base.errors import InputError
from codectk.eval.classical import decode, encode_jpeg, encode_webp
from codectk.metrics.ms_ssim import MS_SSIM_MIN_SIDE, ms_ssim, ms_ssim_db
from codectk.metrics.psnr import mse, psnr


def noisy(picture: np.ndarray, sigma: float) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, sigma, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


def plain_ms_ssim(a: np.ndarray, b: np.ndarray) -> float:
    """The textbook form: 2-D window, one convolution per moment, blocks averaged one by one."""
    line = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    window = np.outer(line, line) / line.sum() ** 2
    weights = [0.0448, 0.2856, 0.3001, 0.2363, 0.1333]
    values = []
    for c in range(3):
        x, y = a[..., c].astype(float), b[..., c].astype(float)
        product = 1.0
        for scale, weight in enumerate(weights):
            mx, my = (convolve2d(p, window, "valid") for p in (x, y))
            vx = convolve2d(x * x, window, "valid") - mx * mx
            vy = convolve2d(y * y, window, "valid") - my * my
            cov = convolve2d(x * y, window, "valid") - mx * my
            cs = (2 * cov + 58.5225) / (vx + vy + 58.5225)
            luminance = (2 * mx * my + 6.5025) / (mx * mx + my * my + 6.5025)
            product *= max((luminance * cs if scale == 4 else cs).mean(), 0) ** weight
            x, y = shrink(x), shrink(y)
        values.append(product)
    return float(np.mean(values))


def shrink(x: np.ndarray) -> np.ndarray:
    top, left = x.shape[0] % 2, x.shape[1] % 2
    out = np.zeros(((x.shape[0] + top) // 2, (x.shape[1] + left) // 2))
    for i in range(out.shape[0]):
        for j in range(out.shape[1]):
            rows = [r for r in (2 * i - top, 2 * i - top + 1) if r >= 0]
            columns = [k for k in (2 * j - left, 2 * j - left + 1) if k >= 0]
            out[i, j] = sum(x[r, k] for r in rows for k in columns) / 4
    return out


def test_psnr_is_one_mse_over_three_channels() -> None:
    a = np.zeros((4, 5, 3), np.uint8)
    b = a.copy()
    b[..., 0] = 30
    assert mse(a, b) == 300
    assert psnr(a, b) == pytest.approx(10 * math.log10(65025 / 300))
    assert psnr(a, a) == math.inf
    # A channel-wise mean of dB values would be infinite here.
    assert psnr(b, a) == psnr(a, b) < 40


def test_psnr_does_not_wrap_around() -> None:
    assert psnr(np.full((2, 2, 3), 255, np.uint8), np.zeros((2, 2, 3), np.uint8)) == 0


@pytest.mark.parametrize("size", [(161, 161), (163, 202)])
def test_ms_ssim_is_the_textbook_form(size: tuple[int, int], picture: np.ndarray) -> None:
    a = np.ascontiguousarray(np.pad(picture, ((0, 20), (0, 0), (0, 0)), "reflect")[: size[0], : size[1]])
    for sigma in (4, 40):
        assert ms_ssim(a, noisy(a, sigma)) == pytest.approx(plain_ms_ssim(a, noisy(a, sigma)), abs=1e-9)


def test_ms_ssim_equals_pytorch_msssim(picture: np.ndarray) -> None:
    reference = pytest.importorskip("pytorch_msssim", reason="pytorch-msssim is not installed")
    import torch

    for sigma in (3, 30):
        pair = [torch.from_numpy(p).permute(2, 0, 1)[None].double() for p in (picture, noisy(picture, sigma))]
        assert ms_ssim(picture, noisy(picture, sigma)) == pytest.approx(
            float(reference.ms_ssim(*pair, data_range=255)), abs=1e-6
        )


def test_ms_ssim_bounds(picture: np.ndarray) -> None:
    assert ms_ssim(picture, picture) == pytest.approx(1, abs=1e-12)
    assert ms_ssim(picture, 255 - picture) == 0
    assert ms_ssim(picture, noisy(picture, 5)) > ms_ssim(picture, noisy(picture, 20))


def test_ms_ssim_db() -> None:
    assert ms_ssim_db(0.99) == pytest.approx(20)
    assert ms_ssim_db(1.0) == math.inf


def test_a_picture_too_small_for_five_scales_is_refused() -> None:
    small = np.zeros((MS_SSIM_MIN_SIDE - 1, 400, 3), np.uint8)
    with pytest.raises(InputError, match="at least 161 pixels, the picture has 400x160"):
        ms_ssim(small, small)


@pytest.mark.parametrize("other", [np.zeros((8, 9, 3), np.uint8), np.zeros((8, 8, 3)), np.zeros((8, 8), np.uint8)])
def test_what_cannot_be_compared_is_refused(other: np.ndarray) -> None:
    for metric in (mse, psnr, ms_ssim):
        with pytest.raises(InputError):
            metric(np.zeros((8, 8, 3), np.uint8), other)


def test_ms_ssim_is_fast_enough() -> None:
    a = np.random.default_rng(0).integers(0, 256, (512, 768, 3)).astype(np.uint8)
    taken = []
    for _ in range(3):
        start = time.process_time()
        ms_ssim(a, 255 - a)
        taken.append(time.process_time() - start)
    assert min(taken) < 0.5


def test_measured_kodak_table(baselines, kodak) -> None:
    wanted = {("jpeg-420-prog", "q30"): (encode_jpeg, 30), ("webp-m6", "q60"): (encode_webp, 60)}
    with (baselines / "baselines-kodak.csv").open() as file:
        table = {(r["codec"], r["setting"], r["image"]): r for r in csv.DictReader(file)}
    for image in ("kodim04", "kodim13"):
        pixels = kodak(image)
        for (codec, setting), (encode, quality) in wanted.items():
            row, data = table[codec, setting, image], encode(pixels, quality)
            if len(data) != int(row["bytes"]):
                pytest.skip("this Pillow has another version of libjpeg-turbo or libwebp than the table")
            decoded = decode(data)
            assert psnr(pixels, decoded) == pytest.approx(float(row["psnr_rgb"]), abs=2e-5)
            # The table's own implementation is within 2.8e-5 of pytorch-msssim.
            assert ms_ssim(pixels, decoded) == pytest.approx(float(row["ms_ssim"]), abs=4e-5)
