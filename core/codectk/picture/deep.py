"""Samples of 16 bits, all of them: Pillow gives the upper eight of most pictures."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from PIL import Image

Samples = npt.NDArray[np.uint16]

_NATIVE = "L" if sys.byteorder == "little" else "B"
_OTHER = {"L": "B", "B": "L"}


def deep_samples(image: Image.Image, reopen: Callable[[], Image.Image] | None, data: bytes) -> Samples | None:
    """Samples of a picture that has more than 8 bits.

    Pillow unpacks 16 bits of a color to the upper 8. Told that the bytes of each sample stand the other way round, it
    gives the lower 8.

    Args:
        image: opened and not loaded.
        reopen: opens the same file once more; None where the image came without its file.
        data: the file's bytes.

    Returns:
        uint16 (H, W, C) of the full range 0..65535, C of 1 (grey), 2 (grey and alpha), 3 or 4; None if the picture
        has 8 bits, or they cannot be had.
    """
    if image.mode.startswith("I;16"):
        return np.asarray(np.array(image)[..., None], dtype=np.uint16)
    tiles = list(getattr(image, "tile", ()))
    names = {_raw_mode(tile) for tile in tiles}
    if image.mode == "I" and (names <= {"I;16", "I;16B", "I;16L", "I;16N"} or _is_ppm(tiles)) and names:
        # Older versions of Pillow, and PGM, which Pillow brings to 16 bits.
        return np.asarray(np.clip(np.array(image), 0, 65535)[..., None], dtype=np.uint16)
    if _is_ppm(tiles) and image.mode == "RGB":
        most, offset = int(tiles[0][3][1]), int(tiles[0][2])
        stored = np.frombuffer(data, ">u2", image.width * image.height * 3, offset).astype(np.uint32)
        full = (np.minimum(stored, most) * 65535 + most // 2) // most
        return full.reshape(image.height, image.width, 3).astype(np.uint16)
    if len(names) != 1 or reopen is None:
        return None
    base, _, order = next(iter(names)).partition(";16")
    if base == "LA" and order == "B" and image.mode == "RGBA":
        bytes_ = _unpacked(reopen, "RGBA")  # 32 bits of each pixel, as they are
        return _joined(bytes_[..., 0::2], bytes_[..., 1::2])
    order = _NATIVE if order == "N" else order
    if base not in ("RGB", "RGBA") or base != image.mode or order not in _OTHER:
        return None
    upper, lower = (_unpacked(reopen, f"{base};16{side}") for side in (order, _OTHER[order]))
    return _joined(upper, lower)


def _joined(upper: npt.NDArray[np.uint8], lower: npt.NDArray[np.uint8]) -> Samples:
    return np.asarray(upper.astype(np.uint16) * 256 + lower, dtype=np.uint16)


def _unpacked(reopen: Callable[[], Image.Image], raw_mode: str) -> npt.NDArray[np.uint8]:
    with reopen() as image:
        image.tile = [  # type: ignore[attr-defined]
            (tile[0], tile[1], tile[2], (raw_mode, *tile[3][1:]) if isinstance(tile[3], tuple) else raw_mode)
            for tile in image.tile  # type: ignore[attr-defined]
        ]
        return np.array(image)


def _raw_mode(tile: object) -> str:
    args = tile[3]  # type: ignore[index]
    return str(args[0] if isinstance(args, tuple) and args else args)


def _is_ppm(tiles: list[object]) -> bool:
    """A binary PPM or PGM of more than 8 bits."""
    return len(tiles) == 1 and tiles[0][0] == "ppm" and tiles[0][3][1] > 255  # type: ignore[index]
