"""Pictures come in: from files, bytes, Pillow images and arrays, upright and in sRGB."""

from __future__ import annotations

import io
import os
from typing import BinaryIO

import numpy as np
from PIL import Image

from codectk.base.errors import InputError, UsageError
from codectk.base.inputs import read_bytes
from codectk.base.types import Picture
from codectk.picture.modes import planes
from codectk.picture.opening import check_header, check_size, decoding, open_image, raw_mode
from codectk.picture.orientation import has_more_exif, orientation_of, upright
from codectk.picture.profile import apply_profile

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray

MAX_BYTES = 4 << 30
"""Largest picture file that is read."""

_SRGB_GAMMA = 1 / 2.2


def read_picture(source: Source, *, keep_icc: bool = False) -> Picture:
    """Read a picture.

    PNG, JPEG, WebP, TIFF, PPM/PGM/PBM, GIF and BMP with at most 8 bits per sample and one frame are read. The EXIF
    orientation is applied to the pixels once. Colors are converted to sRGB if the picture has another ICC profile.
    Nothing is repaired silently: what is changed is told in `Picture.notes`, what cannot be kept is refused.

    Args:
        source: path, the bytes of a picture file, a file open for reading bytes, a Pillow image, or a uint8 array
            (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) in sRGB with straight alpha. Neither image nor array is changed.
        keep_icc: keep pixels in the color space of their ICC profile and hand the profile on in `Picture.icc`.

    Returns:
        The picture; `alpha` is None if it is opaque everywhere, `grey` is True for one-channel sources.

    Raises:
        InputError: no such file, not a picture, damaged, too large, more than 8 bits per sample, CMYK or another
            unsupported color model, or more than one frame.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_image(source, "The given image", keep_icc)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_file(io.BytesIO(source), "The given data", keep_icc)
    if callable(getattr(source, "read", None)):
        return _from_open(source, str(getattr(source, "name", "The given file")), keep_icc)
    if not isinstance(source, (str, os.PathLike)):
        raise InputError(f"A picture cannot be read from an object of type {type(source).__name__}.")
    name = os.fsdecode(source)
    if not name:
        raise UsageError("The name of an input is empty.")
    try:
        file = open(name, "rb")  # noqa: SIM115 (closed below; errors of opening are told apart from errors of decoding)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {name}.") from error
    except IsADirectoryError as error:
        raise InputError(f"{name} is a folder, not a picture.") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{name} cannot be opened: {getattr(error, 'strerror', None) or error}.") from error
    with file:
        return _from_open(file, name, keep_icc)


def _from_open(file: BinaryIO, name: str, keep_icc: bool) -> Picture:
    """From a file open for reading bytes, from where it stands to its end; read into memory, as a pipe cannot seek."""
    return _from_file(io.BytesIO(read_bytes(file, MAX_BYTES)), name, keep_icc)


def _from_array(array: np.ndarray) -> Picture:
    shape = array.shape
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise InputError(
            "An array picture must be uint8 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); "
            f"this one is {array.dtype} of shape {tuple(shape)}."
        )
    check_size(shape[1], shape[0], "The given array")
    if array.ndim == 2 or shape[2] == 1:
        return Picture(np.repeat(array.reshape(shape[0], shape[1], 1), 3, axis=2), grey=True)
    alpha = np.array(array[..., 3]) if shape[2] == 4 else None
    if alpha is not None and bool((alpha == 255).all()):
        alpha = None
    # A copy, so that the caller's later changes do not reach the picture.
    return Picture(np.array(array[..., :3], order="C"), alpha=alpha)


def _from_file(file: BinaryIO, name: str, keep_icc: bool) -> Picture:
    with open_image(file, name) as image:
        return _from_image(image, name, keep_icc)


def _from_image(image: Image.Image, name: str, keep_icc: bool) -> Picture:
    notes = list(check_header(image, name))
    stored_as = raw_mode(image)
    with decoding(name):
        image.load()
        pixels, alpha, grey = planes(image, name, stored_as)
    try:
        orientation = orientation_of(image)
        dropped = ["EXIF"] if has_more_exif(image) else []
    except Exception:  # Pillow's EXIF parser raises many types on damaged blocks
        orientation, dropped = 1, []
        notes.append("The EXIF data was ignored: it is damaged.")
    if "xmp" in image.info or "XML:com.adobe.xmp" in image.info:
        dropped.append("XMP")
    if dropped:
        notes.append(f"The {' and '.join(dropped)} metadata was not kept.")
    icc: bytes | None = image.info.get("icc_profile")
    gamma = image.info.get("gamma")
    if icc:
        pixels, icc, more = apply_profile(pixels, grey, icc, keep=keep_icc)
        notes.extend(more)
    elif isinstance(gamma, float) and abs(gamma - _SRGB_GAMMA) > 0.01 and "srgb" not in image.info:
        notes.append(f"The PNG's gamma of {gamma:.4f} was ignored; its colors were taken as sRGB.")
    if orientation != 1:
        notes.append("The orientation in the metadata was applied to the pixels.")
        pixels = upright(pixels, orientation)
        alpha = None if alpha is None else upright(alpha, orientation)
    return Picture(pixels, alpha=alpha, grey=grey, icc=icc or None, notes=tuple(notes))
