"""Every Pillow mode that is read, turned into RGB and alpha on purpose."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from PIL import Image

from codectk.base.errors import InputError

Pixels = npt.NDArray[np.uint8]


def planes(image: Image.Image, name: str, raw_mode: str = "") -> tuple[Pixels, Pixels | None, bool]:
    """Take a loaded image apart.

    Args:
        image: loaded image of at most 8 bits per sample.
        name: how to call it in messages.
        raw_mode: how the file stored its samples (see `opening.raw_mode`), asked before loading.

    Returns:
        pixels: uint8 (H, W, 3), RGB.
        alpha: uint8 (H, W), or None if the picture is opaque everywhere.
        grey: True if the image had one luminance channel.

    Raises:
        InputError: the mode is not among those below.
    """
    mode = image.mode
    transparent = image.has_transparency_data
    alpha: Pixels | None = None
    grey = mode in ("1", "L", "LA", "La")
    if mode in ("1", "L"):
        luminance = np.array(image.convert("L") if mode == "1" else image)
        alpha = _keyed(image, luminance, raw_mode) if transparent else None
        pixels = _three(luminance)
    elif mode in ("LA", "La"):
        both = np.array(image.convert("LA") if mode == "La" else image)
        pixels, alpha = _three(both[..., 0]), both[..., 1]
    elif mode in ("P", "RGB") and not transparent:
        pixels = np.array(image.convert("RGB") if mode == "P" else image)
    elif mode in ("P", "PA", "RGB", "RGBA", "RGBa"):
        four = np.array(image if mode == "RGBA" else image.convert("RGBA"))
        pixels, alpha = four[..., :3], four[..., 3]
    elif mode == "RGBX":
        pixels = np.array(image)[..., :3]
    elif mode == "YCbCr":
        pixels = np.array(image.convert("RGB"))
    else:
        raise InputError(f"{name} has the unsupported pixel mode {mode}; convert it to RGB first.")
    if alpha is not None and bool((alpha == 255).all()):
        alpha = None
    return np.ascontiguousarray(pixels), None if alpha is None else np.ascontiguousarray(alpha), grey


def _three(luminance: Pixels) -> Pixels:
    return np.repeat(luminance[..., None], 3, axis=2)


def _keyed(image: Image.Image, luminance: Pixels, raw_mode: str) -> Pixels:
    """Alpha of a grey image with one transparent luminance (the PNG chunk tRNS)."""
    key = image.info["transparency"]
    if not isinstance(key, int):
        return np.array(image.convert("LA"))[..., 1]
    # Pillow scales samples of fewer bits to 0..255 but, depending on its version, not the key.
    step = {"1": 255, "L;2": 85, "L;4": 17}.get(raw_mode, 1)
    if step * key <= 255:
        key *= step
    return np.where(luminance == key, 0, 255).astype(np.uint8)
