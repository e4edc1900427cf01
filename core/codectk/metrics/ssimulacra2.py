"""SSIMULACRA 2.1: structural similarity in a color space of the eye, fitted to opinions on compressed pictures.

Source: Jon Sneyers, "SSIMULACRA 2 - Structural SIMilarity Unveiling Local And Compression Related Artifacts", version
2.1 of April 2023, as the program of that name computes it: three maps of error (dissimilarity, ringing, blur) of three
channels at six scales, two norms of each, a weighted sum of the 108 numbers and a curve that gives it a scale. Its
constants and weights are those of the published definition. Plain numpy.

No training loss contains it: it judges codecs that were tuned for other numbers.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from codectk.metrics.psnr import Pixels, check_pair

_Planes = NDArray[np.float32]

SCALES = 6
"""Resolutions, each half of the one before."""

MIN_SIDE = 8
"""Smallest side in pixels of a scale; of smaller pictures there is no score."""

_SIGMA = 1.5
_C2 = np.float32(0.0009)

# XYB of JPEG XL: linear RGB to cones with a bias, cube roots, opponents; then all three moved into about 0..1.
_CONES = np.array(
    [[0.30, 0.622, 0.078], [0.23, 0.692, 0.078], [0.24342268924547819, 0.20476744424496821, 0.5518098665095536]],
    np.float32,
)
_BIAS = np.float32(0.0037930732552754493)

_WEIGHTS: dict[tuple[int, int, int, int], float] = {}
"""By channel (X, Y, B - Y), scale, norm (mean, fourth) and map (dissimilarity, ringing, blur)."""


def _fill(channel: int, *scales: tuple[float, float, float, float, float, float]) -> None:
    for scale, six in enumerate(scales):
        for i, weight in enumerate(six):
            _WEIGHTS[channel, scale, i // 3, i % 3] = weight


_fill(
    0,
    (0.0, 0.0007376606707406586, 0.0, 0.0, 0.0007793481682867309, 0.0),
    (0.0, 0.0004371155730107379, 0.0, 1.1041726426657346, 0.00066284834129271, 0.00015231632783718752),
    (0.0, 0.0016406437456599754, 0.0, 1.8422455520539298, 11.441172603757666, 0.0),
    (0.0007989109436015163, 0.000176816438078653, 0.0, 1.8787594979546387, 10.94906990605142, 0.0),
    (0.0007289346991508072, 0.9677937080626833, 0.0, 0.00014003424285435884, 0.9981766977854967,
     0.00031949755934435053),
    (0.0004550992113792063, 0.0, 0.0, 0.0013648766163243398, 0.0, 0.0),
)  # fmt: skip
_fill(
    1,
    (0.0, 0.0, 0.0, 7.466890328078848, 0.0, 17.445833984131262),
    (0.0006235601634041466, 0.0, 0.0, 6.683678146179332, 0.00037724407979611296, 1.027889937768264),
    (225.20515300849274, 0.0, 0.0, 19.213238186143016, 0.0011401524586618361, 0.001237755635509985),
    (176.39317598450694, 0.0, 0.0, 24.43300999870476, 0.28520802612117757, 0.0004485436923833408),
    (0.0, 0.0, 0.0, 34.77906344483772, 44.835625328877896, 0.0),
    (0.0, 0.0, 0.0, 0.0, 0.0, 0.0),
)
_fill(
    2,
    (0.0, 0.0008680556573291698, 0.0, 0.0, 0.0, 0.0),
    (0.0, 0.0005313191874358747, 0.0, 0.00016533814161379112, 0.0, 0.0),
    (0.0, 0.0, 0.0, 0.0004179171803251336, 0.0017290828234722833, 0.0),
    (0.0020827005846636437, 0.0, 0.0, 8.826982764996862, 23.19243343998926, 0.0),
    (95.1080498811086, 0.9863978034400682, 0.9834382792465353, 0.0012286405048278493, 171.2667255897307,
     0.9807858872435379),
    (0.0, 0.0, 0.0, 0.0005130064588990679, 0.0, 0.00010854057858411537),
)  # fmt: skip


def ssimulacra2(reference: Pixels, picture: Pixels) -> float:
    """Score of a picture against its original.

    Args:
        reference, picture: uint8 (H, W, 3) sRGB, both sides at least `MIN_SIDE` pixels.

    Returns:
        At most 100, which equal pictures have; about 90 for no visible difference, 70 high, 50 medium and 30 low
        quality; negative for worse than that.

    Raises:
        InputError: the pictures are not uint8 (H, W, 3) of one size.
    """
    check_pair(reference, picture)
    total = 0.0
    first, second = _linear(reference), _linear(picture)
    for scale in range(SCALES):
        if min(first.shape[1:]) < MIN_SIDE:
            break
        if scale:
            first, second = _halve(first), _halve(second)
        for channel, norms in enumerate(_errors(_xyb(first), _xyb(second))):
            for kind, pair in enumerate(norms):
                for norm, value in enumerate(pair):
                    total += _WEIGHTS[channel, scale, norm, kind] * value
    total *= 0.9562382616834844
    total = 2.326765642916932 * total - 0.020884521182843837 * total**2 + 6.248496625763138e-05 * total**3
    return float(100 - 10 * total**0.6276336467831387) if total > 0 else 100.0


class Ssimulacra2:
    """The score as a metric of an evaluation."""

    name, backbone, lower_is_better = "SSIMULACRA2", "", False
    scope: Literal["picture"] = "picture"
    protocol = "SSIMULACRA 2.1 on the whole decoded 8-bit sRGB picture; mean over pictures"

    def __call__(self, reference: Pixels, picture: Pixels) -> float | None:
        return ssimulacra2(reference, picture) if min(reference.shape[:2]) >= MIN_SIDE else None


def _table() -> NDArray[np.float32]:
    """Linear light 0..1 of each sRGB level."""
    x = np.arange(256) / 255
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4).astype(np.float32)


_LINEAR = _table()


def _linear(pixels: Pixels) -> _Planes:
    """(H, W, 3) levels to (3, H, W) linear light."""
    return _LINEAR[np.ascontiguousarray(pixels.transpose(2, 0, 1))]


def _halve(planes: _Planes) -> _Planes:
    """2x2 means; the last line of an odd side is its own neighbor."""
    _, height, width = planes.shape
    if height % 2 or width % 2:
        planes = np.pad(planes, ((0, 0), (0, height % 2), (0, width % 2)), "edge")
    rows = planes[:, ::2] + planes[:, 1::2]
    halved: _Planes = (rows[:, :, ::2] + rows[:, :, 1::2]) * np.float32(0.25)
    return halved


def _xyb(linear: _Planes) -> _Planes:
    """Linear RGB to X, Y and B - Y, each in about 0..1."""
    cones = np.tensordot(_CONES, linear, 1)
    cones += _BIAS
    np.cbrt(np.maximum(cones, 0, out=cones), out=cones)
    cones -= np.cbrt(_BIAS)
    long, middle, short = cones
    y = (long + middle) / 2
    made = np.empty_like(cones)
    np.multiply(long - middle, 7, out=made[0])  # 14 times half the difference
    made[0] += np.float32(0.42)
    np.add(y, np.float32(0.01), out=made[1])
    np.subtract(short, y, out=made[2])
    made[2] += np.float32(0.55)
    return made


def _errors(a: _Planes, b: _Planes) -> list[list[tuple[float, float]]]:
    """Norms of the three maps of each channel; inputs (3, H, W)."""
    # Only the sum of both variances is needed, so one blur serves for both squares.
    means_a, means_b, squares, products = _blur(np.stack([a, b, a * a + b * b, a * b]))
    covariance = products - means_a * means_b
    variances = squares - means_a * means_a - means_b * means_b
    luma = 1 - np.square(means_a - means_b)
    dissimilar = np.maximum(1 - luma * (2 * covariance + _C2) / (variances + _C2), 0)
    edges = (1 + np.abs(b - means_b)) / (1 + np.abs(a - means_a)) - 1
    maps = dissimilar, np.maximum(edges, 0), np.maximum(-edges, 0)
    return [[_norms(kind[channel]) for kind in maps] for channel in range(3)]


def _norms(values: _Planes) -> tuple[float, float]:
    """Mean, and fourth root of the mean of fourth powers."""
    return float(values.mean(dtype=np.float64)), float(np.square(np.square(values)).mean(dtype=np.float64) ** 0.25)


def _recursion() -> tuple[int, NDArray[np.float64], NDArray[np.float64]]:
    """Radius of JPEG XL's recursive Gaussian, and of its three cosines the gain and twice the cosine of the frequency.

    Source: Charalampidis 2016, "Recursive Implementation of the Gaussian Filter Using Truncated Cosine Functions".
    The weights of the cosines make the filter sum to 1, have the variance of the Gaussian, and follow its spectrum.
    """
    radius = round(3.2795 * _SIGMA + 0.2546)
    omega = np.array([1, 3, 5]) * np.pi / (2 * radius)
    signs = np.array([1, -1, 1])
    p = signs / np.tan(omega / 2)
    r = signs * p**2 / np.sin(omega)
    rho = np.exp(-0.5 * (_SIGMA * omega) ** 2) / radius
    minors = np.cross(p, r)
    zeta = minors[:2] / minors[2]
    system = np.stack([p, r, np.append(zeta, 1)])
    beta = np.linalg.solve(system, [1, radius**2 - _SIGMA**2, zeta @ rho[:2] + rho[2]])
    gain, turn = -beta * np.cos(omega * (radius + 1)), 2 * np.cos(omega)
    # Numbers of float32, kept in float64 so that products of them are exact.
    gain, turn = (x.astype(np.float32).astype(np.float64)[:, None, None] for x in (gain, turn))
    return radius, gain, turn


_RADIUS, _GAIN, _TURN = _recursion()


def _blur(planes: _Planes) -> _Planes:
    """The Gaussian along both axes of (..., H, W); outside of the picture is zero.

    The recursion is the definition, not a trick for speed: its rounding in float32, carried along a line, is part of
    the scores of flat pictures: half a point where a sky is bright.
    """
    *_, height, width = planes.shape
    # Lines that are filtered together lie side by side in memory.
    across = _filter(planes.reshape(-1, height, width).transpose(2, 0, 1))
    down = _filter(across.transpose(2, 1, 0))
    return np.ascontiguousarray(down.transpose(1, 0, 2)).reshape(planes.shape)


def _filter(lines: _Planes) -> _Planes:
    """The recursive Gaussian along the first axis of (N, ...), with the two roundings a step of fused arithmetic."""
    count, *rest = lines.shape
    padded = np.zeros((count + 4 * _RADIUS, *rest), np.float32)
    padded[2 * _RADIUS : 2 * _RADIUS + count] = lines
    filtered = np.empty((count, *rest), np.float32)
    last, before, new, rounded = np.zeros((4, 3, *rest), np.float32)
    exact = np.empty((3, *rest))
    for n in range(1 - _RADIUS, count):
        both = padded[n + _RADIUS - 1] + padded[n + 3 * _RADIUS - 1]
        np.multiply(_TURN, last, out=exact)
        np.subtract(exact, before, out=rounded, casting="same_kind")
        np.multiply(_GAIN, both, out=exact)
        np.add(exact, rounded, out=new, casting="same_kind")
        if n >= 0:
            np.add(new[1], new[2], out=filtered[n])
            filtered[n] += new[0]
        before, last, new = last, new, before
    return filtered
