"""Pixels between uint8 and float32."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from codectk.base.errors import ContractError
from codectk.base.types import Picture


def to_float(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
    """uint8 0..255 to float32 [0, 1], same shape; exact under `to_uint8`."""
    return pixels.astype(np.float32) / np.float32(255)


def floats(picture: Picture, rows: slice = slice(None), columns: slice = slice(None)) -> npt.NDArray[np.float32]:
    """A picture's pixels, or some of them, as float32 (H, W, 3) in [0, 1], with all the bits that its source had."""
    return to_float(picture.pixels[rows, columns]) if picture.deep is None else picture.deep[rows, columns]


def to_uint8(pixels: npt.NDArray[np.floating]) -> npt.NDArray[np.uint8]:
    """Floating [0, 1] to uint8 0..255, same shape: clipped, then rounded half to even.

    Raises:
        ContractError: the array is not floating or has NaN in it (a codec's synthesis went wrong).
    """
    if not np.issubdtype(pixels.dtype, np.floating):
        raise ContractError(f"A codec's pixels must be floating in [0, 1], not {pixels.dtype}.")
    if np.isnan(pixels).any():
        raise ContractError("The codec's synthesis gave pixels that are not numbers (NaN).")
    scaled = np.clip(pixels.astype(np.float32), 0, 1) * np.float32(255)
    rounded: npt.NDArray[np.uint8] = np.rint(scaled).astype(np.uint8)
    return rounded


def to_neutral(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Mean of the three channels in each of them, float32 (H, W, 3): what a codec's RGB of a grey picture becomes."""
    return np.repeat(pixels.mean(axis=2, keepdims=True, dtype=np.float32), 3, axis=2)
