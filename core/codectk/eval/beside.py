"""One picture through one codec, with JPEG and WebP of the same size beside it: for demos and for the eye."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image
from rich import box
from rich.table import Table

from codectk.eval.classic import REFERENCES, decode, encode_at_size
from codectk.eval.compare import Panel, detail_box, side_by_side
from codectk.eval.metrics import MS_SSIM_MIN_SIDE, Pixels, ms_ssim, psnr


@dataclass(frozen=True)
class Entry:
    """One file of one picture.

    Attributes:
        title: codec and setting.
        bytes: size of the complete file.
        bpp: bits of it per pixel.
        psnr: dB, RGB, 8 bit.
        ms_ssim: 0..1, or None for a picture with a side below 161 pixels.
        encode_s, decode_s: seconds.
        pixels: the decoded picture, uint8 (H, W, 3) RGB.
    """

    title: str
    bytes: int
    bpp: float
    psnr: float
    ms_ssim: float | None
    encode_s: float
    decode_s: float
    pixels: Pixels


def entry(title: str, source: Pixels, data: bytes, decoded: Pixels, encode_s: float, decode_s: float) -> Entry:
    """Measure one file against its source.

    Args:
        title: codec and setting.
        source, decoded: uint8 (H, W, 3) RGB.
        data: the complete file.
        encode_s, decode_s: seconds it took.

    Raises:
        InputError: the pictures differ in size.
    """
    height, width = source.shape[:2]
    similarity = ms_ssim(source, decoded) if min(height, width) >= MS_SSIM_MIN_SIDE else None
    return Entry(
        title,
        len(data),
        len(data) * 8 / (height * width),
        psnr(source, decoded),
        similarity,
        encode_s,
        decode_s,
        decoded,
    )


def references_at_size(source: Pixels, size: int) -> list[Entry]:
    """JPEG and WebP of at least `size` bytes, or as near as they can come; see `classic.encode_at_size`.

    Args:
        source: uint8 (H, W, 3) RGB.
        size: bytes of the file to compare with.

    Returns:
        One entry per reference codec; the time is that of the one encode that was kept.

    Raises:
        InputError: this Pillow lacks WebP, or the picture is too large for it.
    """
    entries = []
    for reference in (REFERENCES["jpeg"], REFERENCES["webp"]):  # those that every machine has
        quality = encode_at_size(reference, source, size).quality
        start = time.perf_counter()
        data = reference.encode(source, quality)
        encoded = time.perf_counter()
        decoded = decode(data)
        done = time.perf_counter()
        title = f"{reference.title}, quality {quality}"
        entries.append(entry(title, source, data, decoded, encoded - start, done - encoded))
    return entries


def table(entries: Sequence[Entry]) -> Table:
    """One line per file."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for i, column in enumerate(("codec", "bytes", "bpp", "PSNR dB", "MS-SSIM", "enc s", "dec s")):
        made.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    for e in entries:
        made.add_row(
            e.title,
            f"{e.bytes:,}",
            f"{e.bpp:.4f}",
            f"{e.psnr:.2f}",
            "-" if e.ms_ssim is None else f"{e.ms_ssim:.4f}",
            f"{e.encode_s:.2f}",
            f"{e.decode_s:.2f}",
        )
    return made


def sheet(source: Pixels, entries: Sequence[Entry]) -> Image.Image:
    """Source and entries in one row, the most detailed part of the source enlarged below each.

    Args:
        source: uint8 (H, W, 3) RGB.
        entries: files of the same picture.

    Returns:
        RGB picture.
    """
    height, width = source.shape[:2]
    panels = [Panel("source", f"{width}x{height} pixels", source)]
    for e in entries:
        similarity = "" if e.ms_ssim is None else f", {e.ms_ssim:.4f} MS-SSIM"
        panels.append(Panel(e.title, f"{e.bytes:,} bytes, {e.bpp:.3f} bpp\n{e.psnr:.2f} dB PSNR{similarity}", e.pixels))
    return side_by_side(panels, detail_box(source, max(width // 4, 1), max(height // 5, 1)), zoom=4)
