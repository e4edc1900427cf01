"""Lossless coding of label maps: each label from the two that are known beside it.

Contexts are the labels to the left and above (or the border), with one table each. The map is coded along its
anti-diagonals, so that a whole diagonal is one call of the coder.
"""

from __future__ import annotations

from typing import Any

from array_api_compat import array_namespace, device

from codectk.programs.values import Prior, ValueCoder


def code_label_map(
    coder: ValueCoder, labels: Any | None, prior: Prior, classes: int, height: int, width: int, like: Any
) -> Any:
    """Code labels int64 (B, height, width), or decode a map (1, height, width) when None.

    Args:
        coder: see `ValueCoder`.
        labels: 0..classes-1.
        prior: a table for each pair of neighbors, at left * (classes + 1) + above; the label `classes` is the border.
        classes: number of labels.
        height, width: of the map.
        like: an array of the library and on the device on which the map is wanted.
    """
    xp, at = array_namespace(like), device(like)
    batch = 1 if labels is None else labels.shape[0]
    known = xp.full((batch, height + 1, width + 1), classes, dtype=xp.int64, device=at)
    for diagonal in range(height + width - 1):
        row = xp.arange(max(0, diagonal - width + 1), min(height - 1, diagonal) + 1, device=at)
        column = diagonal - row
        index = known[:, row + 1, column] * (classes + 1) + known[:, row, column + 1]
        here = None if labels is None else xp.astype(labels[:, row, column], xp.float32)
        coded = coder.code(index, here, prior)
        # A crafted file may hold escape codes for labels that there are not; the digest refuses them later.
        known[:, row + 1, column + 1] = xp.astype(xp.clip(xp.round(coded), 0, classes - 1), xp.int64)
    return known[:, 1:, 1:]
