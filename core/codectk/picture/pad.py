"""Padding to a codec's stride, and back.

The bottom and right sides grow, never with zeros: a black border costs bits and bleeds into the last visible rows.
An axis of n pixels that needs p more is continued by reflection about its last pixel (which is not repeated) when
p <= n - 1, else by repeating that pixel, so that a picture of 1 x 1 works like any other.
"""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt

from codectk.base.errors import ContractError

Scalar = TypeVar("Scalar", bound=np.generic)


def pad(pixels: npt.NDArray[Scalar], stride: int) -> npt.NDArray[Scalar]:
    """Grow a picture to the next multiple of `stride` in both axes.

    Args:
        pixels: any dtype (normally float32 in [0, 1]), (H, W) or (H, W, C), H and W >= 1.
        stride: positive number of pixels.

    Returns:
        Array of the same dtype, (H', W', ...) with H' and W' multiples of `stride`; `pixels` itself if they were.

    Raises:
        ContractError: the stride is not positive or the array is empty.
    """
    if stride < 1:
        raise ContractError(f"A codec's stride must be at least 1 pixel, not {stride}.")
    if pixels.ndim < 2 or 0 in pixels.shape[:2]:
        raise ContractError(f"An array of shape {pixels.shape} has no pixels to pad.")
    for axis in (0, 1):
        size = pixels.shape[axis]
        extra = -size % stride
        if extra:
            pixels = np.take(pixels, _continued(size, extra), axis=axis)
    return pixels


def crop(pixels: npt.NDArray[Scalar], height: int, width: int) -> npt.NDArray[Scalar]:
    """Undo `pad`.

    Args:
        pixels: any dtype, (H', W') or (H', W', C).
        height: true height, 1..H' pixels.
        width: true width, 1..W' pixels.

    Returns:
        A view of the top left (height, width, ...).

    Raises:
        ContractError: the array is smaller than that.
    """
    if pixels.ndim < 2 or not (1 <= height <= pixels.shape[0] and 1 <= width <= pixels.shape[1]):
        raise ContractError(f"{height} x {width} pixels cannot be cropped from an array of shape {pixels.shape}.")
    return pixels[:height, :width]


def _continued(size: int, extra: int) -> npt.NDArray[np.intp]:
    """Source index of each of `size + extra` positions along one axis."""
    positions = np.arange(size + extra)
    last = size - 1
    if extra > last:
        return np.minimum(positions, last)
    return np.where(positions <= last, positions, 2 * last - positions)
