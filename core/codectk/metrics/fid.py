"""FID and KID: distances between the distributions of features of patches, before and after coding.

Sources: Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule ..." (FID); Binkowski et al. 2018,
"Demystifying MMD GANs" (KID); Mentzer et al. 2020, "High-Fidelity Generative Image Compression", appendix (patches).
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from codectk.metrics.psnr import Pixels
from codectk.spec.metrics import SetScore, label

if TYPE_CHECKING:
    from codectk.metrics.inception import Inception

Pairs = Iterable[tuple[Pixels, Pixels]]

PATCH = 256
"""Side of a patch in pixels."""

SUBSETS = 100
"""Subsets of patches over which KID is averaged."""

SUBSET_SIZE = 1000
"""Most patches of a subset."""

ENOUGH_PATCHES = 2048
"""Fewest samples for which the covariance of 2048 features has full rank."""

_BATCH = 8
"""Patches that go through the network at once: about 0.5 GB, and no faster with more on one thread."""

_CACHE_BYTES = 512 << 20

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


class PatchFeatures:
    """Features of a picture's patches, remembered: references and files are asked for once by each metric.

    Attributes:
        backbone: network and origin of its weights.
    """

    def __init__(self, network: Inception, source: str, device: str = "cpu") -> None:
        self.backbone = f"Inception-v3, {source}"
        self._network, self._device = network.to(device), device
        self._cache: OrderedDict[tuple[tuple[int, ...], bytes], Features] = OrderedDict()
        self._bytes = 0

    @classmethod
    def load(cls, path: Path, device: str) -> PatchFeatures:
        """From a file that `metrics.inception_files` knows.

        Raises:
            WeightsError: not readable, or another network than FID's.
        """
        from codectk.metrics.inception_files import load_inception

        return cls(*load_inception(path), device)

    def __call__(self, pixels: Pixels) -> Features:
        """Features by HiFiC's patch protocol, float64 (n, C); n is 0 for a picture smaller than a patch."""
        key = pixels.shape, hashlib.sha256(pixels.tobytes()).digest()
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        found = self._cache[key] = self._compute(pixels)
        self._bytes += found.nbytes
        while self._bytes > _CACHE_BYTES and len(self._cache) > 1:
            self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return found

    def pairs(self, pairs: Pairs) -> tuple[Features, Features]:
        """Features of all references and of all decoded pictures, row i of both from one patch."""
        both = [(self(reference), self(picture)) for reference, picture in pairs]
        both = [(a, b) for a, b in both if len(a)]
        if not both:
            return np.empty((0, 0)), np.empty((0, 0))
        return np.concatenate([a for a, _ in both]), np.concatenate([b for _, b in both])

    def _compute(self, pixels: Pixels) -> Features:
        import torch

        cut = list(patches(pixels))
        batches = []
        with torch.no_grad():
            for start in range(0, len(cut), _BATCH):
                batch = torch.from_numpy(np.stack(cut[start : start + _BATCH])).to(self._device)
                batches.append(self._network.patch_features(batch).double().cpu().numpy())
        return np.concatenate(batches) if batches else np.empty((0, 0))


class Fid:
    """FID/256: Frechet distance between the patches of all originals and those of all decoded pictures."""

    name, lower_is_better = "FID/256", True
    scope: Literal["set"] = "set"
    protocol = (
        "Frechet distance of Inception-v3 features (2048, TensorFlow graph of 2015-12-05) of 256-pixel patches, a grid "
        "and a second one shifted by 128 (HiFiC), resized to 299 as pytorch-fid does (bilinear, no antialiasing)"
    )

    def __init__(self, features: PatchFeatures) -> None:
        self.backbone, self._features = features.backbone, features

    def __call__(self, pairs: Pairs) -> SetScore | None:
        reference, decoded = self._features.pairs(pairs)
        if len(reference) < 2:
            return None
        note = ""
        if len(reference) < ENOUGH_PATCHES:
            note = (
                f"{label(self)} is from {len(reference)} patches; below {ENOUGH_PATCHES} it is biased and comparable "
                "only on the very same pictures, so prefer KID/256."
            )
        return SetScore(frechet(reference, decoded), len(reference), note=note)


class Kid:
    """KID/256: kernel distance on the same patches, unbiased however few they are."""

    name, lower_is_better = "KID/256", True
    scope: Literal["set"] = "set"
    protocol = (
        f"squared MMD, kernel (x . y / 2048 + 1)^3, unbiased for pairs, mean and standard deviation over {SUBSETS} "
        f"subsets of at most {SUBSET_SIZE} patches; patches and features as of FID/256"
    )

    def __init__(self, features: PatchFeatures) -> None:
        self.backbone, self._features = features.backbone, features

    def __call__(self, pairs: Pairs) -> SetScore | None:
        reference, decoded = self._features.pairs(pairs)
        if len(reference) < 4:
            return None
        value, std = kernel_distance(reference, decoded)
        return SetScore(value, len(reference), std)
