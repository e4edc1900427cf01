"""Distances between the distributions of two sets of features, and the patches the features are taken of. Numpy only.

Sources: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule ..." (FID); Binkowski et al. 2018,
"Demystifying MMD GANs" (KID); Mentzer et al. 2020, "High-Fidelity Generative Image Compression", appendix (patches).
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from codectk.eval.metrics import Pixels

PATCH = 256
"""Side of a patch in pixels."""

SUBSETS = 100
"""Subsets of patches over which KID is averaged."""

SUBSET_SIZE = 1000
"""Most patches of a subset."""

Features = NDArray[np.float64]


def patches(pixels: Pixels, side: int = PATCH) -> Iterator[Pixels]:
    """Patches of a picture by HiFiC's protocol: a grid without overlap, and a second one shifted by half a patch.

    As in the package NeuralCompression, with which published FID/256 are measured: the second grid is cut from what
    remains below and to the right of (side / 2, side / 2), if both sides of the picture have 1.5 patches.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        side: of a patch in pixels.

    Yields:
        uint8 (side, side, 3); none of a picture smaller than a patch.
    """
    height, width = pixels.shape[:2]
    for start in (0, side // 2):
        if start and min(height, width) < side + start:
            continue
        for y in range(start, height - side + 1, side):
            for x in range(start, width - side + 1, side):
                yield pixels[y : y + side, x : x + side]


def frechet(a: Features, b: Features) -> float:
    """Squared Frechet distance of the two Gaussians with the means and covariances of two sets of features.

    |m_a - m_b|^2 + tr(C_a + C_b - 2 (C_a C_b)^(1/2)). With X, Y the centered features over sqrt(n - 1), the trace of
    the root is the sum of the singular values of X Y^T: no matrix root, which is unstable where n is small.

    Args:
        a, b: float64 (n, C), n at least 2.
    """
    mean = a.mean(0) - b.mean(0)
    x, y = (_triangle((f - f.mean(0)) / np.sqrt(len(f) - 1)) for f in (a, b))
    root = np.linalg.svd(x @ y.T, compute_uv=False).sum()
    # Rounding may leave a tiny negative number for equal sets.
    return max(float(mean @ mean + (x * x).sum() + (y * y).sum() - 2 * root), 0.0)


def kernel_distance(
    reference: Features, decoded: Features, *, subsets: int = SUBSETS, size: int = SUBSET_SIZE, seed: int = 0
) -> tuple[float, float]:
    """KID: the unbiased squared maximum mean discrepancy with the kernel (x . y / C + 1)^3, over random subsets.

    Both sets are features of the same patches before and after coding. The terms k(x_i, y_i) of a patch with itself
    are therefore left out, as the unbiased estimator for samples in pairs demands: packages that treat the sets as
    independent include some of them, which with a few hundred patches makes the value too small or negative.

    Args:
        reference, decoded: float64 (n, C), row i of both from one patch, n at least 4.
        subsets: number of random subsets.
        size: patches of a subset, at most half of all, or the subsets would be the same.
        seed: of the draws.

    Returns:
        Mean and standard deviation over subsets; an unbiased mean may be slightly negative.
    """
    generator = np.random.default_rng(seed)
    size = min(size, len(reference) // 2)
    values = []
    for _ in range(subsets):
        chosen = generator.choice(len(reference), size, replace=False)
        x, y = reference[chosen], decoded[chosen]
        terms = _kernel(x, x) + _kernel(y, y) - 2 * _kernel(x, y)
        values.append((terms.sum() - np.trace(terms)) / (size * (size - 1)))
    return float(np.mean(values)), float(np.std(values))


def _triangle(x: Features) -> Features:
    """A matrix with at most C rows and the same X^T X."""
    if len(x) <= x.shape[1]:
        return x
    small: Features = np.asarray(np.linalg.qr(x, mode="r"))
    return small


def _kernel(x: Features, y: Features) -> Features:
    result: Features = (x @ y.T / x.shape[1] + 1) ** 3
    return result
