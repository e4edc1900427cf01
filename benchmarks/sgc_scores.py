"""How near a painted picture is to its original: what is where, in which colors, and how it looks."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from codectk.metrics.catalog import build
from codectk.metrics.lpips import Lpips
from codectk.metrics.psnr import psnr
from codectk_labels.predict import label_map
from codectk_labels.preset import load_segmenter
from codectk_sgc.colors.reduce import color_map
from codectk_sgc.labels.reduce import majority

Labels = Callable[[np.ndarray], np.ndarray]
"""From uint8 (H, W, 3) to integers (h, w)."""

CITYSCAPES_SIDE = 513

BETTER = {
    "agreement": "higher", "agreement_cells": "higher", "agreement_cityscapes": "higher", "color_error": "lower",
    "lpips": "lower", "psnr": "higher",
}  # fmt: skip
"""Scores of one picture and which way is better. PSNR is for information: nothing here is made for it."""


def top_down() -> Labels:
    """Thirteen groups by the head of codectk-labels: another head than the encoder's, on the same frozen features."""
    segmenter = load_segmenter()
    return lambda pixels: label_map(segmenter, pixels)


def cityscapes(path: Path) -> Labels:
    """Nineteen classes by a network that shares nothing with SGC: DeepLab on MobileNet-EdgeTPU, as TensorFlow Lite."""
    from ai_edge_litert.interpreter import Interpreter

    network = Interpreter(str(path), num_threads=1)
    network.allocate_tensors()
    (inputs,), (outputs,) = network.get_input_details(), network.get_output_details()

    def labels(pixels: np.ndarray) -> np.ndarray:
        side = (CITYSCAPES_SIDE, CITYSCAPES_SIDE)
        small = Image.fromarray(pixels).resize(side, Image.Resampling.BILINEAR)
        network.set_tensor(inputs["index"], np.asarray(small)[None])
        network.invoke()
        return np.array(network.get_tensor(outputs["index"])[0])

    return labels


class Scorer:
    """Scores of one picture, see `BETTER`; label maps of originals are made once.

    Args:
        lpips_weights: AlexNet's file; None takes what `codectk eval` would.
        teacher: file of the Cityscapes network, or None to leave its score out.
    """

    def __init__(self, lpips_weights: Path | None, teacher: Path | None):
        made = build(["lpips"], weights={"lpips": lpips_weights})
        self._lpips = next(metric for metric in made if isinstance(metric, Lpips))
        self._segmenters = {"agreement": top_down()}
        if teacher is not None:
            self._segmenters["agreement_cityscapes"] = cityscapes(teacher)
        self._known: dict[tuple[str, str], np.ndarray] = {}

    def labels(self, segmenter: str, name: str, original: np.ndarray) -> np.ndarray:
        """The label map of an original."""
        if (segmenter, name) not in self._known:
            self._known[segmenter, name] = self._segmenters[segmenter](original)
        return self._known[segmenter, name]

    def __call__(self, name: str, original: np.ndarray, pixels: np.ndarray) -> dict[str, float]:
        """Scores of uint8 (H, W, 3) against the original of that name."""
        scores: dict[str, float] = {}
        for segmenter, labels in self._segmenters.items():
            wanted, found = self.labels(segmenter, name, original), labels(pixels)
            scores[segmenter] = float((wanted == found).mean())
            if segmenter == "agreement":
                scores["agreement_cells"] = float((majority(wanted) == majority(found)).mean())
        scores["color_error"] = color_error(original, pixels)
        distance = self._lpips(original, pixels)
        if distance is not None:
            scores["lpips"] = distance
        scores["psnr"] = psnr(original, pixels)
        return scores

    def by_chance(self, names: Sequence[str]) -> dict[str, float]:
        """Agreement between label maps of different originals, the next by name: what knowing nothing gives.

        Args:
            names: of originals that have been scored; only maps of one size are compared.
        """
        found: dict[str, float] = {}
        for segmenter in self._segmenters:
            maps = [self._known[segmenter, name] for name in names]
            pairs = zip(maps, [*maps[1:], maps[0]], strict=True)
            found[segmenter] = float(np.mean([(a == b).mean() for a, b in pairs if a.shape == b.shape]))
        return found


def file_agreement(coded: np.ndarray, wanted: np.ndarray) -> float:
    """Share of cells whose label in a file is that of the original: no painting can be expected to do better.

    Args:
        coded: the file's map (h, w), 0..12.
        wanted: groups of the original's pixels (H, W), 1..13; cells that only one of the maps has are left out.
    """
    cells = majority(wanted) - 1
    height, width = np.minimum(cells.shape, coded.shape)
    return float((cells[:height, :width] == coded[:height, :width]).mean())


def color_error(original: np.ndarray, pixels: np.ndarray) -> float:
    """Mean absolute difference of both color maps (one color per 32x32 pixels) in [0, 1], over cells and channels."""
    one, other = (color_map(x.astype(np.float32) / np.float32(255)) for x in (original, pixels))
    return float(np.abs(one - other).mean())


def mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means of the scores that all rows have."""
    return {key: float(np.mean([row[key] for row in rows])) for key in rows[0] if all(key in row for row in rows)}
