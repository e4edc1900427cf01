"""The checkpoint of DeepLab v2 for COCO-Stuff (deeplab-pytorch of Kazuto Nakashima), whose names ours have, too."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch

from codectk_sgc.published.reading import State
from codectk_sgc.published.taking import Arrays, Taking, under

WHAT = "DeepLab v2"

PREFIX, SEGMENTER = "base.", "analysis.segmenter."

_COUNT = "num_batches_tracked"
_IGNORED = re.compile(rf".*\.{_COUNT}$")


def is_deeplab(state: State) -> bool:
    """Whether these are a DeepLab v2's tensors."""
    return any(name.startswith(f"{PREFIX}aspp.") for name in state)


def deeplab_arrays(state: State, shapes: Mapping[str, torch.Size], where: str) -> Arrays:
    """The segmenter's weights under our names.

    Args:
        state: the checkpoint's tensors.
        shapes: of the state of the network that they are for.
        where: how to call the file in messages.

    Raises:
        WeightsError: a tensor is missing, superfluous, of another shape or not finite.
    """
    taking = Taking(state, where, WHAT)
    arrays: Arrays = {}
    for ours, shape in under(SEGMENTER, shapes).items():
        if ours.endswith(_COUNT):  # of training steps, which some files have and nobody needs
            arrays[SEGMENTER + ours] = np.zeros(shape, np.int64)
        else:
            arrays[SEGMENTER + ours] = taking.array(PREFIX + ours, shape)
    taking.close(_IGNORED)
    return arrays
