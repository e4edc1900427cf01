"""Train the head: `python -m codectk_sgc.training.segmenter --panoptic DIR --scenes DIR -o head.safetensors`.

The program is codectk-labels' own; this says what it trains, and measures it as SGC uses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from codectk.nn.storage import install, to_arrays
from codectk.weights.tensors import load_tensors
from codectk_labels.crops import Labeled
from codectk_labels.groups import GROUPS
from codectk_labels.scores import Confusion
from codectk_labels.train import program
from codectk_sgc.encoder.analysis import reduced
from codectk_sgc.encoder.segmenter import Segmenter
from codectk_sgc.labels.reduce import CELL, majority


def untrained() -> Segmenter:
    """A segmenter of codectk-labels' groups."""
    return Segmenter(len(GROUPS))


def head_arrays(segmenter: Segmenter) -> dict[str, np.ndarray]:
    """What is stored of a trained segmenter."""
    return to_arrays(segmenter)


def load(path: Path) -> Segmenter:
    """A trained segmenter from its file.

    Raises:
        WeightsError: the file is missing, damaged, or does not fit.
    """
    segmenter = untrained()
    install(segmenter, load_tensors(path))
    return segmenter.eval()


def seen(segmenter: Segmenter, pixels: np.ndarray) -> np.ndarray:
    """Labels uint8 (h, w), 1..13, of a picture uint8 (H, W, 3) at the size at which SGC looks at it."""
    x = reduced(torch.from_numpy(np.array(pixels)).permute(2, 0, 1).unsqueeze(0).float() / 255)
    return (segmenter.probabilities(x)[0].argmax(0) + 1).to(torch.uint8).numpy()


def measured(segmenter: Segmenter, entries: Sequence[Labeled]) -> Iterable[str]:
    """Agreement with the true maps by pixel, and by the cells that SGC codes."""
    pixels, cells = Confusion(), Confusion()
    for entry in entries:
        labels = seen(segmenter, entry.pixels)
        height, width = labels.shape
        pixels.add(entry.labels, _resized(labels, *entry.labels.shape))
        # Cells that are void for the most part are not counted.
        truth = majority(_resized(entry.labels, height, width))
        cells.add(truth.astype(np.uint8), majority(labels).astype(np.uint8))
    yield f"by pixel: {pixels.scores()}"
    yield f"by cell of {CELL}x{CELL}: {cells.scores()}"


def _resized(labels: np.ndarray, height: int, width: int) -> np.ndarray:
    return np.asarray(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))


main = program(untrained, head_arrays, measured, steps=900)

if __name__ == "__main__":
    main()
