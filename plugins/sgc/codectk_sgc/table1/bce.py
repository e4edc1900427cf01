"""How well a decoded picture is segmented like its original: the label BCE of Bordin and Maugey 2023, Table I."""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codectk_labels.predict import probabilities
from codectk_labels.preset import load_segmenter


def bce(wanted: Tensor, found: Tensor) -> float:
    """Binary cross-entropy between two maps of probabilities, mean over channels and positions, in nats.

    -(p ln q + (1 - p) ln(1 - q)), logarithms no lower than -100. Of a map with itself it is not 0, but the mean entropy
    of its values, so only values of the same pictures and the same segmenter can be compared.

    Args:
        wanted, found: p and q, float of one shape in [0, 1].
    """
    return float(F.binary_cross_entropy(found.clamp(0, 1), wanted.clamp(0, 1)))


class LabelBce:
    """Label BCE by codectk-labels' top-down head, which no part of SGC uses.

    The paper's segmenter has 182 classes, this one 13: the values are no continuation of the paper's.

    Args:
        device: where the segmenter runs.
    """

    name, backbone, lower_is_better = "label BCE", "codectk-labels, 13 groups", True
    scope: Literal["picture"] = "picture"
    protocol = (
        "binary cross-entropy between softmax maps of original and decoded picture, mean over pixels and 13 groups; "
        "top-down head of codectk-labels on EfficientNet-Lite0"
    )

    def __init__(self, device: str = "cpu") -> None:
        self._segmenter, self._device = load_segmenter().to(device), device

    def __call__(self, reference: np.ndarray, picture: np.ndarray) -> float:
        return bce(self._maps(reference), self._maps(picture))

    def _maps(self, pixels: np.ndarray) -> Tensor:
        x = torch.from_numpy(np.array(pixels)).to(self._device).permute(2, 0, 1)[None].float() / 255
        return probabilities(self._segmenter, x)
