"""Label maps and pictures to what the coders' networks are fitted on: inputs and answers of many cells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from codectk.base.errors import InputError
from codectk_sgc.colors.coder import context, edged
from codectk_sgc.colors.quantize import LEVELS, quantize
from codectk_sgc.colors.reduce import color_map
from codectk_sgc.labels.context import CANDIDATES, candidates, features, restlessness
from codectk_sgc.labels.reduce import majority
from codectk_sgc.wavefront import NEIGHBORS, Field, IntArray

SIDE = 512
"""Pixels per side of the squares that maps are made from."""

Samples = tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]


def label_maps(paths: Sequence[Path], void: int | None, crops: int, seed: int) -> Iterator[npt.NDArray[np.int32]]:
    """Squares of label PNGs (8 bits, a label per pixel), reduced to (32, 32); the first of a PNG is its middle."""
    for image, box in _squares(paths, crops, seed):
        labels = np.asarray(image.convert("L").resize((SIDE, SIDE), Image.Resampling.NEAREST, box))
        if (labels != void).any():
            yield majority(labels, void)


def color_maps(paths: Sequence[Path], crops: int, seed: int) -> Iterator[npt.NDArray[np.uint8]]:
    """Squares of pictures as levels (16, 16, 3); the first of a picture is its middle."""
    for image, box in _squares(paths, crops, seed):
        square = image.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC, box)
        yield quantize(color_map(np.asarray(square, np.float32) / np.float32(255)))


def _squares(
    paths: Sequence[Path], crops: int, seed: int
) -> Iterator[tuple[Image.Image, tuple[float, float, float, float]]]:
    rng = np.random.default_rng(seed)
    for path in paths:
        try:
            with Image.open(path) as image:
                image.load()
        except OSError as error:
            raise InputError(f"The picture {path} cannot be read: {error}.") from error
        for number in range(crops):
            side = min(image.size) * (1.0 if number == 0 else rng.uniform(0.65, 1))
            shares = (0.5, 0.5) if number == 0 else rng.uniform(size=2)
            left, top = ((whole - side) * share for whole, share in zip(image.size, shares, strict=True))
            yield image, (left, top, left + side, top + side)


def label_samples(maps: Iterable[npt.NDArray[np.int32]]) -> list[Samples]:
    """For each candidate: inputs (n, F), and whether it was the cell's label (n,)."""
    found: list[list[tuple[IntArray, npt.NDArray[np.bool_]]]] = [[] for _ in range(CANDIDATES)]
    for labels in maps:
        field = Field(*labels.shape)
        field.inner[...] = labels
        steps = field.steps(NEIGHBORS)
        misses = seen = 0
        restless = []
        for line in field.lines():
            restless.append(np.full(len(line), restlessness(misses, seen)))
            first = candidates(field.cells[line[:, None] + steps])[:, 0]
            misses += int(((first >= 0) & (first != field.cells[line])).sum())
            seen += int((first >= 0).sum())
        places = np.concatenate(list(field.lines()))
        near = field.cells[places[:, None] + steps]
        # Neighbors lie on earlier lines, so what they are does not depend on whether the whole map is known.
        tried = candidates(near)
        inputs = features(near, tried, np.concatenate(restless))
        left = np.ones(len(places), bool)
        for number, samples in enumerate(found):
            asked = left & (tried[:, number] >= 0)
            hit = field.cells[places] == tried[:, number]
            samples.append((inputs[asked], hit[asked]))
            left = asked & ~hit
    return [_joined(samples) for samples in found]


def color_samples(maps: Iterable[npt.NDArray[np.uint8]]) -> list[Samples]:
    """For each plane: inputs (n, F), and levels less those that predictions start from (n,)."""
    found: list[list[tuple[IntArray, IntArray]]] = [[] for _ in LEVELS]
    for levels in maps:
        earlier: list[Field] = []
        for plane, samples in enumerate(found):
            field = Field(*levels.shape[:2])
            field.inner[...] = levels[..., plane]
            places = np.concatenate(list(field.lines()))
            inputs, base = context(field, places, earlier)
            samples.append((inputs, field.cells[places] - base))
            earlier.append(edged(field))
    return [_joined(samples) for samples in found]


def _joined(samples: Sequence[tuple[npt.NDArray[np.generic], npt.NDArray[np.generic]]]) -> Samples:
    inputs, answers = (np.concatenate([sample[part] for sample in samples]).astype(np.float32) for part in (0, 1))
    return inputs, answers
