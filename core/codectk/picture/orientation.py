"""EXIF orientation, applied to pixels exactly once."""

from __future__ import annotations

from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

Scalar = TypeVar("Scalar", bound=np.generic)

_TAG = 0x0112
_SUB_FOLDERS = {0x8769, 0x8825}  # where TIFF files keep Exif and GPS data


def orientation_of(image: Image.Image) -> int:
    """Orientation (1..8) that still has to be applied to a *loaded* image; 1 means upright.

    Ask after `image.load()`: Pillow turns TIFF pixels itself while loading and then removes the tag, so that asking
    before would turn such a picture twice.

    Raises:
        Exception: whatever Pillow raises on a damaged EXIF block.
    """
    value = image.getexif().get(_TAG, 1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def orientation_before_loading(image: Image.Image) -> int:
    """Orientation that Pillow applies itself while loading (TIFF only), 1 for none; asked before that."""
    if image.format != "TIFF":
        return 1
    return orientation_of(image)


def has_more_exif(image: Image.Image) -> bool:
    """Whether a loaded image carries EXIF data besides an orientation (TIFF's own tags do not count)."""
    tags = set(image.getexif()) - {_TAG}
    return bool(tags & _SUB_FOLDERS if image.format == "TIFF" else tags)


def upright(array: npt.NDArray[Scalar], orientation: int) -> npt.NDArray[Scalar]:
    """Turn and mirror an array as its EXIF orientation asks.

    Args:
        array: (H, W) or (H, W, C) as stored.
        orientation: 1..8.

    Returns:
        A contiguous array, (H, W, ...) for 1..4 and (W, H, ...) for 5..8.
    """
    if orientation >= 5:
        array = array.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        array = array[:, ::-1]
    if orientation in (3, 4, 7, 8):
        array = array[::-1]
    return np.ascontiguousarray(array)
