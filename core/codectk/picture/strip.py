"""Pictures side by side, each with a caption below, to look at what a knob does."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from codectk.base.types import Picture

GAP = 8
"""White pixels between pictures."""


def strip(pictures: Sequence[Picture], captions: Sequence[str]) -> Picture:
    """One picture from left to right, without alpha.

    Args:
        pictures: at least one, of one height.
        captions: a short line for each.
    """
    size = max(12, pictures[0].height // 32)
    band = size + 2 * GAP
    height = pictures[0].height + band
    canvas = Image.new("RGB", (sum(p.width for p in pictures) + GAP * (len(pictures) - 1), height), "white")
    draw, font, left = ImageDraw.Draw(canvas), ImageFont.load_default(size), 0
    for picture, caption in zip(pictures, captions, strict=True):
        canvas.paste(Image.fromarray(picture.pixels), (left, 0))
        draw.text((left + picture.width / 2, height - band / 2), caption, fill="black", font=font, anchor="mm")
        left += picture.width + GAP
    return Picture(np.asarray(canvas), icc=pictures[0].icc)
