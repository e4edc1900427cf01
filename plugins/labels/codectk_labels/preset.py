"""The trained segmenter, from the weights that come with this package or from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from codectk.nn.storage import install, to_arrays
from codectk.weights.manifest import find_entry
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors
from codectk_labels.segmenter import Head, Segmenter

PACKAGE = "codectk_labels"
PRESET = "labels-head"


def load_segmenter(path: Path | None = None) -> Segmenter:
    """The segmenter, ready to use.

    Args:
        path: head weights from `codectk_labels.train`; None for those of this package.

    Raises:
        WeightsError: a file is missing, damaged, or does not fit.
    """
    if path is None:
        path = resolve(find_entry(PACKAGE, PRESET), PACKAGE)
    segmenter = Segmenter()
    install(segmenter.head, load_tensors(path))
    return segmenter.eval()


def head_arrays(head: Head) -> dict[str, np.ndarray]:
    """What `load_segmenter` needs of a trained head, as float16."""
    return to_arrays(head)
