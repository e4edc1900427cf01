"""Pictures side by side with captions and enlarged crops. Pillow only, so that a demo needs nothing else."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from codectk.base.errors import UsageError
from codectk.eval.metrics import Pixels

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
