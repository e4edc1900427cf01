"""MS-SSIM of 8-bit RGB pictures. Plain numpy; `metrics.ms_ssim_torch` has the same on tensors, with gradients."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from codectk.base.errors import InputError
from codectk.metrics.psnr import Pixels, check_pair

_Plane = NDArray[np.float64]

MS_SSIM_MIN_SIDE = 161
"""Smallest side in pixels for which all five scales still hold one 11x11 window."""

SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
_C1 = (0.01 * 255) ** 2
_C2 = (0.03 * 255) ** 2


def ms_ssim(reference: Pixels, picture: Pixels) -> float:
    """Multi-scale structural similarity over RGB, mean of the three channels.

    Source: Wang, Simoncelli, Bovik, "Multi-scale structural similarity for image quality assessment", 2003, with
    the choices of pytorch-msssim 1.x: 11-tap Gaussian window of sigma 1.5, valid convolutions, five scales, 2x2
    average between them (odd sides get one line of zeros in front), data range 255, negative terms set to 0.

    Args:
        reference, picture: uint8 (H, W, 3) RGB, both sides at least `MS_SSIM_MIN_SIDE` pixels.

    Returns:
        Similarity without unit, 0..1; 1 for equal pictures.

    Raises:
        InputError: the pictures are not uint8 (H, W, 3) of one size, or too small for five scales.
    """
    check_pair(reference, picture)
    if min(reference.shape[:2]) < MS_SSIM_MIN_SIDE:
        height, width = reference.shape[:2]
        raise InputError(
            f"MS-SSIM needs sides of at least {MS_SSIM_MIN_SIDE} pixels, the picture has {width}x{height}."
        )
    channels = [
        _ms_ssim_plane(reference[..., c].astype(np.float64), picture[..., c].astype(np.float64)) for c in range(3)
    ]
    return float(np.mean(channels))


def ms_ssim_db(value: float) -> float:
    """MS-SSIM on the logarithmic scale used for plots and BD-rates, -10 log10(1 - value).

    Args:
        value: MS-SSIM, 0..1.

    Returns:
        Decibels; infinity for 1.
    """
    return math.inf if value >= 1 else -10 * math.log10(1 - value)


def _ms_ssim_plane(x: _Plane, y: _Plane) -> float:
    product = 1.0
    for scale, weight in enumerate(SCALE_WEIGHTS):
        last = scale == len(SCALE_WEIGHTS) - 1
        ssim, contrast = _ssim_terms(x, y)
        product *= max(ssim if last else contrast, 0.0) ** weight
        if not last:
            x, y = _halve(x), _halve(y)
    return product


def _ssim_terms(x: _Plane, y: _Plane) -> tuple[float, float]:
    """Means over one plane of SSIM and of its contrast-structure factor."""
    mean_x, mean_y = _blur(x), _blur(y)
    square_x, square_y, cross = mean_x * mean_x, mean_y * mean_y, mean_x * mean_y
    # Only the sum of both variances is needed, so one blur serves for x*x and y*y.
    variances = _blur(x * x + y * y) - square_x - square_y
    covariance = _blur(x * y) - cross
    contrast = (2 * covariance + _C2) / (variances + _C2)
    ssim = contrast * (2 * cross + _C1) / (square_x + square_y + _C1)
    return float(ssim.mean()), float(contrast.mean())


def _window() -> tuple[float, ...]:
    taps = np.exp(-((np.arange(11) - 5.0) ** 2) / (2 * 1.5**2))
    return tuple(float(t) for t in taps / taps.sum())


_TAPS = _window()


def _blur(plane: _Plane) -> _Plane:
    """11-tap Gaussian along both axes, valid part only: (H, W) -> (H-10, W-10)."""
    return _blur_rows(_blur_rows(plane, axis=0), axis=1)


def _blur_rows(plane: _Plane, axis: int) -> _Plane:
    size = plane.shape[axis] - 10

    def shifted(k: int) -> _Plane:
        return plane[k : k + size] if axis == 0 else plane[:, k : k + size]

    # The window is symmetric: opposite taps share one multiplication.
    total = shifted(5) * _TAPS[5]
    pair = np.empty_like(total)
    for k in range(5):
        np.add(shifted(k), shifted(10 - k), out=pair)
        pair *= _TAPS[k]
        total += pair
    return total


def _halve(plane: _Plane) -> _Plane:
    """2x2 mean; an odd side is first extended by one line of zeros in front."""
    height, width = plane.shape
    if height % 2 or width % 2:
        plane = np.pad(plane, ((height % 2, 0), (width % 2, 0)))
    return (plane[::2, ::2] + plane[1::2, ::2] + plane[::2, 1::2] + plane[1::2, 1::2]) / 4
