"""Reference encoders through Pillow: JPEG and WebP, which are on every machine, AVIF and HEIC where Pillow has them."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image, features

from codectk.base.errors import InputError
from codectk.metrics.psnr import Pixels


@dataclass(frozen=True)
class Reference:
    """A classic codec with one integer quality.

    Attributes:
        id: name as on the command line.
        title: name for tables and plots.
        best: largest quality.
        sweep: qualities that make a curve from about 0.1 to 3 bpp on photos.
        encode: (uint8 (H, W, 3) RGB, quality) -> complete file.
    """

    id: str
    title: str
    best: int
    sweep: tuple[int, ...]
    encode: Callable[[Pixels, int], bytes]


@dataclass(frozen=True)
class SizedFile:
    """A reference file made to the size of another one.

    Attributes:
        data: the file.
        quality: the quality that made it.
    """

    data: bytes
    quality: int


def encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    """JPEG 4:2:0, progressive, with optimized Huffman tables: JPEG as a careful user would write it.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        quality: 1..100.

    Returns:
        The complete file.
    """
    return _save(pixels, "JPEG", quality=quality, subsampling="4:2:0", optimize=True, progressive=True)


def encode_webp(pixels: Pixels, quality: int) -> bytes:
    """Lossy WebP at method 6, the slowest and best.

    Args:
        pixels: uint8 (H, W, 3) RGB, sides up to 16383.
        quality: 0..100.

    Returns:
        The complete file.

    Raises:
        InputError: this Pillow was built without WebP, or the picture is too large for it.
    """
    if not features.check("webp"):
        raise InputError("This installation of Pillow cannot write WebP.")
    if max(pixels.shape[:2]) > 16383:
        raise InputError("WebP cannot hold a side of more than 16383 pixels.")
    return _save(pixels, "WEBP", quality=quality, method=6)


def encode_avif(pixels: Pixels, quality: int) -> bytes:
    """AVIF 4:4:4 by libaom at speed 6, tuned for SSIM: at 0.2 to 0.3 bpp the best of its tunings in LPIPS.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        quality: 0..100.

    Returns:
        The complete file.

    Raises:
        InputError: this Pillow was built without AVIF.
    """
    if not features.check("avif"):
        raise InputError("This installation of Pillow cannot write AVIF; version 11.3 or later can.")
    return _save(pixels, "AVIF", quality=quality, subsampling="4:4:4", speed=6, codec="aom", advanced={"tune": "ssim"})


def encode_heic(pixels: Pixels, quality: int) -> bytes:
    """HEIC 4:4:4 by x265 at preset slow, tuned for SSIM as libheif does it by itself.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        quality: 0..100.

    Returns:
        The complete file.

    Raises:
        InputError: the package pillow-heif is not installed.
    """
    _heif()
    return _save(pixels, "HEIF", quality=quality, chroma=444, enc_params={"preset": "slow"})


REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "jpeg": Reference("jpeg", "JPEG 4:2:0", 100, (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95), encode_jpeg),
        "webp": Reference("webp", "WebP", 100, (0, 1, 3, 5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90), encode_webp),
        "avif": Reference("avif", "AVIF 4:4:4", 100, (1, 10, 16, 23, 30, 40, 50, 60, 70, 80, 90), encode_avif),
        "heic": Reference("heic", "HEIC 4:4:4", 100, (1, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70), encode_heic),
    }
)
"""The reference codecs by name."""


def decode(data: bytes) -> Pixels:
    """Decode a reference file.

    Args:
        data: a complete file of one of `REFERENCES`.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    if data[4:8] == b"ftyp" and data[8:12] != b"avif":
        _heif()
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def identity(name: str) -> dict[str, str]:
    """Distribution and library that a reference encoder is from.

    Args:
        name: of `REFERENCES`.
    """
    if name == "heic":
        return {"distribution": "pillow-heif", "library": f"libheif {_heif().libheif_version()}"}
    library = "libjpeg_turbo" if name == "jpeg" else name
    return {"distribution": "pillow", "library": f"{library} {features.version(library)}"}


def encode_at_size(reference: Reference, pixels: Pixels, size: int) -> SizedFile:
    """The lowest quality whose file has at least `size` bytes, so that a comparison favors the reference.

    Where even the best quality stays below `size`, the file of that quality; where even the lowest is above it, that.

    Args:
        reference: which codec.
        pixels: uint8 (H, W, 3) RGB.
        size: bytes of the file to compare with.

    Returns:
        The file and its quality. File sizes are taken to rise with quality, which holds but for a few bytes.
    """
    low, high = 1, reference.best
    found = SizedFile(reference.encode(pixels, high), high)
    while low < high:
        middle = (low + high) // 2
        data = reference.encode(pixels, middle)
        if len(data) >= size:
            high, found = middle, SizedFile(data, middle)
        else:
            low = middle + 1
    return found


def _heif() -> Any:
    """The package pillow-heif, with Pillow told of it."""
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError("HEIC needs the package pillow-heif; install it with: pip install pillow-heif") from error
    pillow_heif.register_heif_opener()
    return pillow_heif


def _save(pixels: Pixels, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
