"""Pictures go out: to Pillow images and, whole or not at all, to files."""

from __future__ import annotations

import io
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, PngImagePlugin

from codectk.base.atomic import atomic_write, check_target
from codectk.base.errors import CodectkWarning, ContractError, OutputError
from codectk.base.types import Picture
from codectk.picture.metadata import EXIF_START
from codectk.picture.profile import color_space

_XMP_TAG = 700


@dataclass(frozen=True)
class _Format:
    """What one kind of file can hold, and how it is written.

    Attributes:
        name: Pillow's name.
        options: arguments of Pillow's `save`.
        alpha, icc, grey: whether it holds alpha, an ICC profile, one-channel pictures.
        max_side: longest side in pixels, or None if more than this package codes.
    """

    name: str
    options: dict[str, Any]
    alpha: bool = True
    icc: bool = True
    grey: bool = True
    max_side: int | None = None


_PNG = _Format("PNG", {})
# The picture has been through one lossy codec: JPEG adds as little as it can, the others nothing.
_JPEG = _Format("JPEG", {"quality": 95, "subsampling": 0}, alpha=False, max_side=65_500)
_WEBP = _Format("WEBP", {"lossless": True, "exact": True}, grey=False, max_side=16_383)
_TIFF = _Format("TIFF", {"compression": "tiff_deflate"})
_PPM = _Format("PPM", {}, alpha=False, icc=False, grey=False)

_BY_EXTENSION = {
    ".png": _PNG,
    ".jpg": _JPEG,
    ".jpeg": _JPEG,
    ".webp": _WEBP,
    ".tif": _TIFF,
    ".tiff": _TIFF,
    ".ppm": _PPM,
}


def check_output(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    alpha: bool = False,
    icc: bytes | None = None,
) -> None:
    """Fail now rather than after long work: `check_format`, and `base.atomic.check_target`.

    Raises:
        OutputError: unknown extension, no such folder, no permission, or a format that cannot hold such a picture.
    """
    check_format(path, size=size, alpha=alpha, icc=icc)
    check_target(path)


def check_format(
    path: str | os.PathLike[str],
    *,
    size: tuple[int, int] | None = None,
    alpha: bool = False,
    icc: bytes | None = None,
) -> None:
    """Whether a picture file of this name can hold a picture.

    Args:
        path: name of the file; its extension says the format, and "-" is a PNG.
        size: the picture's (height, width) in pixels, if known already.
        alpha: whether it has alpha.
        icc: its ICC profile, if it has one.

    Raises:
        OutputError: unknown extension, or a format that cannot hold such a picture.
    """
    target = Path(path)
    kind = _format_of(target)
    if alpha and not kind.alpha:
        raise OutputError(f"{kind.name} files cannot hold transparency; write PNG or TIFF instead of {target.name}.")
    if icc and not kind.icc:
        raise OutputError(f"{kind.name} files cannot hold an ICC profile; write PNG or TIFF instead of {target.name}.")
    if icc and not kind.grey and color_space(icc) == "GRAY":
        raise OutputError(f"{kind.name} files cannot hold a grey ICC profile; write PNG instead of {target.name}.")
    if size and kind.max_side and max(size) > kind.max_side:
        raise OutputError(f"{kind.name} files hold at most {kind.max_side:,} pixels on a side; write PNG instead.")


def to_pil(picture: Picture) -> Image.Image:
    """Make a Pillow image.

    Args:
        picture: pixels uint8 (H, W, 3).

    Returns:
        Mode L or LA for grey pictures, else RGB or RGBA. The profile, if any, is in `info["icc_profile"]`. A grey
        picture in an RGB profile becomes RGB, because only there the profile is valid.

    Raises:
        ContractError: dtype or shape is not that of a `Picture`, or a grey picture has unequal channels.
    """
    pixels, alpha = picture.pixels, picture.alpha
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or 0 in pixels.shape:
        raise ContractError(f"A picture's pixels must be uint8 (H, W, 3), not {pixels.dtype} of shape {pixels.shape}.")
    if alpha is not None and (alpha.dtype != np.uint8 or alpha.shape != pixels.shape[:2]):
        raise ContractError(f"Alpha of shape {alpha.shape} does not fit a picture of shape {pixels.shape}.")
    if picture.grey and not (pixels == pixels[..., :1]).all():
        raise ContractError("A grey picture must have three equal channels.")
    grey = picture.grey and (picture.icc is None or color_space(picture.icc) == "GRAY")
    bands = [pixels[..., channel] for channel in range(1 if grey else 3)]
    if alpha is not None:
        bands.append(alpha)
    stacked = bands[0] if len(bands) == 1 else np.stack(bands, axis=-1)
    image = Image.fromarray(np.ascontiguousarray(stacked))
    image.info.update(_metadata(picture))
    return image


def _metadata(picture: Picture) -> dict[str | tuple[int, int], Any]:
    """Profile, EXIF and XMP under Pillow's names."""
    exif = EXIF_START + picture.exif if picture.exif else None
    named = {"icc_profile": picture.icc, "exif": exif, "xmp": picture.xmp}
    return {name: data for name, data in named.items() if data}


def write_picture(path: str | os.PathLike[str], picture: Picture) -> None:
    """Write a picture file whose format follows from its extension, by the rule of `base.atomic`.

    Args:
        path: .png, .jpg, .jpeg, .webp, .tif, .tiff or .ppm.
        picture: what to write; its profile is embedded, its alpha kept.

    Raises:
        OutputError: see `check_output`; or the disk is full.
        ContractError: see `to_pil`.
    """
    data = encode_file(picture, path)
    with atomic_write(path) as file:
        file.write(data)


def encode_file(picture: Picture, path: str | os.PathLike[str]) -> bytes:
    """The bytes of a picture file whose format follows from its name.

    PNG, WebP, TIFF and PPM are lossless; JPEG is written at quality 95 without chroma subsampling. A TIFF is compressed
    unless it carries EXIF. PPM holds no metadata, which a `CodectkWarning` tells.

    Args:
        picture: what to write; its profile is embedded, its alpha kept.
        path: a name that ends in .png, .jpg, .jpeg, .webp, .tif, .tiff or .ppm; or "-", for PNG.

    Raises:
        OutputError: see `check_format`.
        ContractError: see `to_pil`.
    """
    check_format(path, size=(picture.height, picture.width), alpha=picture.alpha is not None, icc=picture.icc)
    kind = _format_of(Path(path))
    image = to_pil(picture)
    if not kind.grey and image.mode in ("L", "LA"):
        image = image.convert("RGBA" if image.mode == "LA" else "RGB")
    options = {**kind.options, **_saved(kind, picture)}
    # Into memory: some of Pillow's encoders write past Python's file, and tell a full disk in words of their own.
    file = io.BytesIO()
    try:
        image.save(file, kind.name, **options)
    except (ValueError, OSError, RuntimeError) as error:
        raise OutputError(f"{os.fspath(path)} cannot be written as {kind.name}: {error}.") from error
    return file.getvalue()


def _saved(kind: _Format, picture: Picture) -> dict[str, Any]:
    """The picture's metadata as arguments of Pillow's `save`."""
    found = {str(name): data for name, data in _metadata(picture).items()}
    if not kind.icc:
        if found:
            warnings.warn(
                CodectkWarning(f"{kind.name} files hold no metadata; EXIF and XMP were left out."), stacklevel=3
            )
        return {}
    xmp = found.pop("xmp", None)
    if xmp and kind is _PNG:
        texts = PngImagePlugin.PngInfo()
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        found["pnginfo"] = texts
    elif kind is _TIFF:
        # Pillow takes all tags of a TIFF in one object.
        tags = Image.Exif()
        tags.load(found.pop("exif", b""))
        if xmp:
            tags[_XMP_TAG] = xmp
        found["exif"] = tags
        if picture.exif:
            found["compression"] = None  # libtiff, which compresses, takes no folders of tags from Pillow
    elif xmp:
        found["xmp"] = xmp
    return found


def _format_of(path: Path) -> _Format:
    kind = _PNG if str(path) == "-" else _BY_EXTENSION.get(path.suffix.lower())
    if kind is None:
        what = f"the extension {path.suffix}" if path.suffix else "no extension"
        raise OutputError(f"{path} has {what}; pictures are written as {', '.join(_BY_EXTENSION)}.")
    return kind
