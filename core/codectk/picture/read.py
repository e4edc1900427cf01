"""Pictures come in: from files, bytes, Pillow images and arrays, upright and in sRGB."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from PIL import Image

from codectk.base.errors import InputError, UsageError
from codectk.base.inputs import read_bytes
from codectk.base.types import Picture
from codectk.picture import boxes, jpeg, png
from codectk.picture.declared import Declared, from_bmp, from_cicp, from_exif, from_png
from codectk.picture.deep import deep_samples
from codectk.picture.metadata import exif_of, xmp_of
from codectk.picture.modes import planes
from codectk.picture.opening import check_header, check_size, decoding, is_deep, open_image, raw_mode
from codectk.picture.orientation import has_more_exif, orientation_before_loading, orientation_of, upright
from codectk.picture.profile import apply_profile, from_cmyk

Source = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray

KEEPABLE = ("exif", "xmp", "icc")
"""Kinds of metadata that a file can carry."""

Kinds = frozenset[str]

MAX_BYTES = 4 << 30
"""Largest picture file that is read."""


def read_picture(source: Source, *, keep_icc: bool = False, keep: str | Iterable[str] = ()) -> Picture:
    """Read a picture.

    PNG, JPEG, WebP, AVIF, TIFF, PPM/PGM/PBM, GIF and BMP are read, and HEIC with the extra `codectk[heic]`; of phones'
    pictures with several the first. The orientation in the metadata is applied to the pixels once. Colors are
    converted to sRGB if the picture declares others, by an ICC profile or in another way of its format; CMYK goes
    through its profile. Samples of 16 bits in PNG, TIFF and PPM keep all of them (`Picture.deep`). Nothing is repaired
    silently: what is changed or lost is told in `Picture.notes`, what cannot be kept is refused.

    Args:
        source: path, the bytes of a picture file, a file open for reading bytes, a Pillow image, or a uint8 array
            (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) in sRGB with straight alpha. Neither image nor array is changed.
        keep_icc: keep pixels in the color space of their profile and hand the profile on in `Picture.icc`.
        keep: of the metadata, what to hand on in the picture: "exif", "xmp" and "icc" (the same as `keep_icc`), several
            with commas between them or as a collection. EXIF and XMP then say that the picture is upright.

    Returns:
        The picture; `alpha` is None if it is opaque everywhere, `grey` is True for one-channel sources.

    Raises:
        UsageError: a path without a name.
        InputError: no such file, not a picture, damaged, too large, floating-point pixels or an unsupported color
            model, or more than one frame.
    """
    kept = kept_kinds(keep) | ({"icc"} if keep_icc else frozenset())
    if isinstance(source, np.ndarray):
        return _from_array(source)
    if isinstance(source, Image.Image):
        return _from_image(source, "The given image", kept)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return _from_file(bytes(source), "The given data", kept)
    if not isinstance(source, (str, os.PathLike)) and callable(getattr(source, "read", None)):
        return _from_open(source, str(getattr(source, "name", "The given file")), kept)
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
        return _from_open(file, name, kept)


def kept_kinds(keep: str | Iterable[str]) -> Kinds:
    """The kinds of metadata that are named, with commas between them or as a collection.

    Raises:
        UsageError: there is no such kind.
    """
    words = keep.split(",") if isinstance(keep, str) else list(keep)
    kinds = frozenset(str(word).strip().lower() for word in words) - {""}
    if unknown := sorted(kinds - set(KEEPABLE)):
        raise UsageError(f"'{unknown[0]}' cannot be kept; what can is {', '.join(KEEPABLE)}.")
    return kinds


def _from_open(file: BinaryIO, name: str, kept: Kinds) -> Picture:
    """From a file open for reading bytes, from where it stands to its end; read into memory, as a pipe cannot seek."""
    return _from_file(bytes(read_bytes(file, MAX_BYTES)), name, kept)


def _from_array(array: np.ndarray) -> Picture:
    if isinstance(array, np.ma.MaskedArray):
        if np.ma.is_masked(array):
            raise InputError("The given array has masked pixels, which a picture has not; fill them first.")
        array = array.data
    array = np.asarray(array)  # a np.matrix stays a matrix in all that is done with it
    shape = array.shape
    if array.dtype != np.uint8 or array.ndim not in (2, 3) or (array.ndim == 3 and shape[2] not in (1, 3, 4)):
        raise InputError(
            "An array picture must be uint8 of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4); "
            f"this one is {array.dtype} of shape {tuple(shape)}."
        )
    check_size(shape[1], shape[0], "The given array")
    array = array.reshape(shape[0], shape[1], -1)
    # A copy, so that the caller's later changes do not reach the picture.
    return _from_samples(np.array(array, order="C"))


def _from_samples(samples: np.ndarray) -> Picture:
    """From uint8 or uint16 (H, W, C), C of 1 (grey), 2 (grey and alpha), 3 or 4; the array is used, not copied."""
    colors = 3 if samples.shape[2] >= 3 else 1
    deep = None
    if samples.dtype == np.uint16:
        deep = samples[..., :colors].astype(np.float32) / np.float32(65535)
        samples = ((samples.astype(np.uint32) * 255 + 32767) // 65535).astype(np.uint8)
    alpha = np.ascontiguousarray(samples[..., -1]) if samples.shape[2] in (2, 4) else None
    if alpha is not None and bool((alpha == 255).all()):
        alpha = None
    pixels, grey = samples[..., :colors], colors == 1
    if grey:
        pixels, deep = np.repeat(pixels, 3, axis=2), None if deep is None else np.repeat(deep, 3, axis=2)
    return Picture(np.ascontiguousarray(pixels), alpha=alpha, grey=grey, deep=deep)


def _from_file(data: bytes, name: str, kept: Kinds) -> Picture:
    told = png.facts(data) if data.startswith(png.SIGNATURE) else None
    if told is not None:
        data = told.data
    try:
        return _decoded(data, name, kept, told)
    except InputError:
        ended = jpeg.with_end(data)
        if ended is None:
            raise
    picture = _decoded(ended, name, kept, None)
    return replace(picture, notes=(*picture.notes, "The file lacks its last bytes; all pixels are there."))


def _decoded(data: bytes, name: str, kept: Kinds, told: png.PngFacts | None) -> Picture:
    def reopen() -> Image.Image:
        return open_image(io.BytesIO(data), name)

    with reopen() as image:
        declared, notes = Declared(), []
        if told is not None:
            notes += ["The XMP or EXIF metadata was not kept."] if told.dropped else []
            if told.icc:
                image.info["icc_profile"] = told.icc
            if told.cicp is not None:  # comes before all other declarations
                image.info.pop("icc_profile", None)
                declared = from_cicp(told.cicp, "the PNG")
        elif image.format in ("AVIF", "HEIF"):
            found = boxes.facts(data)
            notes += [f"Of {found.bits} bits in each channel, 8 were read."] if found.bits > 8 else []
            declared = from_cicp(found.cicp, f"the {image.format} file") if found.cicp else declared
        elif image.format == "BMP":
            declared = from_bmp(data)
        return _from_image(image, name, kept, declared, tuple(notes), reopen, data)


def _from_image(
    image: Image.Image,
    name: str,
    kept: Kinds,
    declared: Declared | None = None,
    notes: tuple[str, ...] = (),
    reopen: Callable[[], Image.Image] | None = None,
    data: bytes = b"",
) -> Picture:
    """From an opened image; `declared` is a color space that its file states in a way of its own."""
    told = [*check_header(image, name), *notes]
    with decoding(name):
        stored_as = raw_mode(image)
        turned = orientation_before_loading(image)
        samples = deep_samples(image, reopen, data) if is_deep(image) else None
        lost = samples is None and is_deep(image)
        image.load()
        if samples is not None:
            picture = _from_samples(samples)
        elif image.mode == "CMYK":
            pixels, more = from_cmyk(image, image.info.get("icc_profile"))
            told += more
            picture = Picture(pixels)
        else:
            pixels, alpha, grey = planes(image, name, stored_as)
            picture = Picture(pixels, alpha=alpha, grey=grey)
    if lost:
        told.append("Of 16 bits in each channel, 8 were read.")
    if samples is not None and picture.alpha is not None:
        told.append("Of 16 bits of transparency, 8 were read.")
    try:
        orientation = orientation_of(image)
        exif = image.getexif()
        if not exif:
            exif_of(image)  # raises on a block in which Pillow found nothing, and said nothing
        dropped = ["EXIF"] if has_more_exif(image) else []
        if dropped and "exif" in kept:
            picture, dropped = replace(picture, exif=exif_of(image)), []
        declared = declared if declared and declared.says_something else from_exif(exif)
    except Exception:  # Pillow's EXIF parser raises many types on damaged blocks
        orientation, dropped = 1, []
        told.append("The EXIF data was ignored: it is damaged.")
    if "xmp" in image.info or "XML:com.adobe.xmp" in image.info:
        picture = replace(picture, xmp=xmp_of(image) if "xmp" in kept else None)
        if picture.xmp is None:
            dropped.append("XMP")
    if dropped:
        told.append(f"The {' and '.join(dropped)} metadata was not kept.")
    picture, remarks = _in_srgb(picture, image, declared or Declared(), kept)
    told += remarks
    if orientation != 1 or turned != 1:
        told.append("The orientation in the metadata was applied to the pixels.")
    if orientation != 1:
        picture = _upright(picture, orientation)
    return replace(picture, notes=tuple(told))


def _in_srgb(picture: Picture, image: Image.Image, declared: Declared, kept: Kinds) -> tuple[Picture, Sequence[str]]:
    """The picture in sRGB, or in its profile if that is kept, and notes."""
    icc: bytes | None = image.info.get("icc_profile")
    if image.mode == "CMYK":
        return picture, ()  # in sRGB already
    if not icc and not declared.says_something:
        declared = from_png(image.info)
    if declared.note and not icc:
        return picture, (declared.note,)
    icc = icc or declared.icc
    if not icc:
        return picture, ()
    pixels, profile, notes = apply_profile(picture.pixels, picture.grey, icc, keep="icc" in kept)
    if pixels is picture.pixels:
        return replace(picture, icc=profile), notes
    if declared.name and not image.info.get("icc_profile"):
        notes = (f"Colors were converted to sRGB from {declared.name}.",)
    if picture.deep is not None:
        notes = (*notes, "The conversion left 8 of 16 bits in each channel.")
    return replace(picture, pixels=pixels, icc=profile, deep=None), notes


def _upright(picture: Picture, orientation: int) -> Picture:
    alpha, deep = (None if plane is None else upright(plane, orientation) for plane in (picture.alpha, picture.deep))
    return replace(picture, pixels=upright(picture.pixels, orientation), alpha=alpha, deep=deep)
