"""Label maps of pixels to label maps of 16x16 cells, by majority vote."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from codectk.base.errors import InputError

CELL = 16
"""Pixels per cell and side."""


def majority(labels: npt.NDArray[np.integer], void: int | None = None, cell: int = CELL) -> npt.NDArray[np.int32]:
    """Reduce a label map: each cell gets the label that most of its pixels have.

    Of labels with equally many pixels, the lowest wins. Void pixels have no vote. A cell without any vote gets the
    label of the nearest cell that has one (between centers; of equally near ones the first, row by row from the top).

    Args:
        labels: integers (H, W), 0..255 each, any size from 1x1; cells at the right and bottom may be cut off.
        void: the label of pixels without one, or None.
        cell: pixels per cell and side.

    Returns:
        int32 (ceil(H / cell), ceil(W / cell)), never void.

    Raises:
        InputError: not such a map, or all of it is void.
    """
    given = np.asarray(labels)
    if given.ndim != 2 or not given.size or given.dtype.kind not in "iu":
        raise InputError(f"A label map must be integers (H, W), not {given.dtype} {given.shape}.")
    if int(given.min()) < 0 or int(given.max()) > 255:
        raise InputError(f"Labels must be 0 to 255, not {given.min()} to {given.max()}.")
    height, width = (-(-side // cell) for side in given.shape)
    names, ranks = np.unique(given, return_inverse=True)
    rows = np.arange(given.shape[0])[:, None] // cell
    places = rows * width + np.arange(given.shape[1]) // cell
    votes = np.bincount(
        (places * len(names) + ranks.reshape(given.shape)).ravel(), minlength=height * width * len(names)
    )
    votes = votes.reshape(height * width, len(names))
    if void is not None:
        votes[:, names == void] = 0
    won = names[votes.argmax(axis=1)].reshape(height, width).astype(np.int32)
    return _fill(won, votes.any(axis=1).reshape(height, width))


def _fill(labels: npt.NDArray[np.int32], known: npt.NDArray[np.bool_]) -> npt.NDArray[np.int32]:
    """Give cells that are not known the label of the nearest one that is."""
    if not known.any():
        raise InputError("The label map is void everywhere; there is nothing to code.")
    filled = labels.copy()
    where = np.argwhere(known)
    for y, x in np.argwhere(~known):
        nearest = where[((where - (y, x)) ** 2).sum(axis=1).argmin()]
        filled[y, x] = labels[tuple(nearest)]
    return filled
