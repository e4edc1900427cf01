"""Pictures side by side with captions and enlarged crops, and one codec's file beside JPEG and WebP of its size."""

from __future__ import annotations

import io
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from rich import box
from rich.table import Table

from codectk.base.atomic import atomic_write
from codectk.base.errors import UsageError
from codectk.eval.classical import REFERENCES, decode, encode_at_size
from codectk.eval.measure import Measurement
from codectk.eval.pictures import Source
from codectk.metrics.ms_ssim import MS_SSIM_MIN_SIDE, ms_ssim
from codectk.metrics.psnr import Pixels, psnr
from codectk.picture.read import read_picture

_PAPER, _INK, _SOFT, _ACCENT = (255, 255, 255), (24, 28, 34), (96, 104, 116), (214, 61, 47)
_GAP = 16

Box = tuple[int, int, int, int]
"""Left, top, width, height in pixels."""


@dataclass(frozen=True)
class Panel:
    """One picture of a comparison.

    Attributes:
        title: what it is, one line.
        caption: the numbers, one or more lines.
        pixels: uint8 (H, W, 3) RGB.
    """

    title: str
    caption: str
    pixels: Pixels


def side_by_side(panels: Sequence[Panel], crop: Box | None = None, zoom: int = 3) -> Image.Image:
    """Panels in one row; under each, where `crop` is given, the same detail enlarged without smoothing.

    Args:
        panels: pictures of one size.
        crop: detail to enlarge.
        zoom: the whole number by which a crop may be enlarged at most; it never gets wider than its picture.

    Returns:
        RGB picture.

    Raises:
        UsageError: no panels, different sizes, or a crop outside the pictures.
    """
    if not panels or any(p.pixels.shape != panels[0].pixels.shape for p in panels):
        raise UsageError("A comparison needs pictures of one size.")
    height, width = panels[0].pixels.shape[:2]
    if crop is not None:
        x, y, w, h = crop
        if w < 1 or h < 1 or x < 0 or y < 0 or x + w > width or y + h > height:
            raise UsageError(f"The crop {crop} is not inside the {width}x{height} picture.")
    size = max(15, width // 32)
    large, plain = ImageFont.load_default(size * 1.2), ImageFont.load_default(size)
    title_height = round(size * 1.9)
    lines = max(p.caption.count("\n") + 1 for p in panels)
    caption_height = round(size * 1.4 * lines + size * 0.7)
    scale = 0 if crop is None else max(1, min(zoom, width // crop[2]))
    detail_height = 0 if crop is None else crop[3] * scale + _GAP
    column = width + _GAP
    sheet = Image.new(
        "RGB",
        (column * len(panels) + _GAP, _GAP + title_height + height + detail_height + caption_height),
        _PAPER,
    )
    draw = ImageDraw.Draw(sheet)
    for i, panel in enumerate(panels):
        left, top = _GAP + i * column, _GAP + title_height
        draw.text((left, _GAP), panel.title, _INK, large)
        sheet.paste(Image.fromarray(panel.pixels), (left, top))
        if crop is not None:
            x, y, w, h = crop
            detail = Image.fromarray(panel.pixels[y : y + h, x : x + w])
            detail = detail.resize((w * scale, h * scale), Image.Resampling.NEAREST)
            sheet.paste(detail, (left, top + height + _GAP))
            # The frame shows once, on the first picture, and hides nothing in those to be judged.
            if i == 0:
                draw.rectangle((left + x - 3, top + y - 3, left + x + w + 2, top + y + h + 2), outline=_ACCENT, width=3)
        draw.multiline_text(
            (left, top + height + detail_height + size * 0.5), panel.caption, _SOFT, plain, spacing=size * 0.4
        )
    return sheet


def grid(rows: Sequence[Sequence[tuple[str, Pixels]]], *, gap: int = 6, head: int = 26, size: int = 15) -> Image.Image:
    """Pictures of one size in rows, each under a line of text.

    Args:
        rows: of each picture its caption and uint8 (H, W, 3) RGB.
        gap: between columns, in pixels.
        head: height of a caption.
        size: of its font.

    Returns:
        RGB picture.
    """
    height, width = rows[0][0][1].shape[:2]
    columns = max(map(len, rows))
    sheet = Image.new("RGB", (columns * (width + gap) - gap, len(rows) * (height + head)), _PAPER)
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(size)
    for y, row in enumerate(rows):
        for x, (caption, pixels) in enumerate(row):
            left, top = x * (width + gap), y * (height + head)
            draw.text((left + 2, top + (head - size) // 2 - 1), caption, _INK, font)
            sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), (left, top + head))
    return sheet


def detail_box(pixels: Pixels, width: int, height: int) -> Box:
    """The box with the most detail: the largest sum of absolute differences between neighbors.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        width, height: size of the box in pixels; clipped to the picture.

    Returns:
        The box.
    """
    h, w = min(height, pixels.shape[0]), min(width, pixels.shape[1])
    grey = pixels.astype(np.float64).mean(2)
    energy = np.abs(np.diff(grey, axis=0, prepend=grey[:1])) + np.abs(np.diff(grey, axis=1, prepend=grey[:, :1]))
    total = np.pad(energy.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    sums = total[h:, w:] - total[:-h, w:] - total[h:, :-w] + total[:-h, :-w]
    y, x = np.unravel_index(int(sums.argmax()), sums.shape)
    return int(x), int(y), w, h


def to_png(image: Image.Image) -> bytes:
    """The picture as a complete PNG file."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


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
    """JPEG and WebP of at least `size` bytes, or as near as they can come; see `classical.encode_at_size`.

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


def write_sheet(source: Source, measurement: Measurement, folder: Path, suffix: str, target: Path) -> Path:
    """Draw one measured file beside JPEG and WebP of the same size.

    Args:
        source: the picture.
        measurement: one of its files.
        folder: where `measure.evaluate` put its files.
        suffix: of the codec's files, with the dot.
        target: existing folder for the sheet.

    Returns:
        Path of the sheet, a PNG named after the codec, picture and quality.

    Raises:
        OutputError: it cannot be written.
    """
    data = measurement.coded_file(folder, suffix).read_bytes()
    own = entry(
        f"{measurement.codec}, "
        + (measurement.point if measurement.quality is None else f"quality {measurement.quality:g}"),
        source.pixels,
        data,
        read_picture(measurement.decoded_file(folder)).pixels,
        measurement.encode.total,
        measurement.decode.total,
    )
    path = target / f"{measurement.codec}-{measurement.stem}.png"
    drawn = sheet(source.pixels, [own, *references_at_size(source.pixels, len(data))])
    with atomic_write(path) as file:
        file.write(to_png(drawn))
    return path
