"""JPEG and WebP through Pillow: the reference encoders that are on every machine."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from PIL import Image, features

from codectk.base.errors import InputError
from codectk.eval.metrics import Pixels


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


REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "jpeg": Reference("jpeg", "JPEG 4:2:0", 100, (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95), encode_jpeg),
        "webp": Reference("webp", "WebP", 100, (0, 1, 3, 5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90), encode_webp),
    }
)
"""The reference codecs by name."""


def decode(data: bytes) -> Pixels:
    """Decode a reference file.

    Args:
        data: a complete JPEG or WebP file.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


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


def _save(pixels: Pixels, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
