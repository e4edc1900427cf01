"""Distortion of 8-bit RGB pictures: squared error and PSNR. Plain numpy, so that the core can show quality alone."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from codectk.base.errors import InputError

Pixels = NDArray[np.uint8]


def mse(reference: Pixels, picture: Pixels) -> float:
    """Mean squared error over all pixels and the three channels.

    Args:
        reference, picture: uint8 (H, W, 3) RGB.

    Returns:
        Squared grey levels, 0..65025.

    Raises:
        InputError: the pictures are not uint8 (H, W, 3) of one size.
    """
    check_pair(reference, picture)
    difference = reference.astype(np.float64) - picture
    return float(np.mean(difference * difference))


def psnr(reference: Pixels, picture: Pixels) -> float:
    """Peak signal-to-noise ratio over RGB, 10 log10(255^2 / MSE).

    One MSE over the three channels, as in the published Kodak tables of CompressAI; not the mean of three
    per-channel values.

    Args:
        reference, picture: uint8 (H, W, 3) RGB.

    Returns:
        Decibels; infinity for equal pictures.

    Raises:
        InputError: the pictures are not uint8 (H, W, 3) of one size.
    """
    error = mse(reference, picture)
    return math.inf if error == 0 else 10 * math.log10(255**2 / error)


def check_pair(reference: Pixels, picture: Pixels) -> None:
    """Refuse what cannot be compared.

    Raises:
        InputError: the pictures are not uint8 (H, W, 3) of one size.
    """
    for pixels in (reference, picture):
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise InputError(f"A metric compares uint8 (H, W, 3) pictures, not {pixels.dtype} {pixels.shape}.")
    if reference.shape != picture.shape:
        raise InputError(f"A metric compares pictures of one size, not {reference.shape} with {picture.shape}.")
