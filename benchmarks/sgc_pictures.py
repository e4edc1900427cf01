"""The pictures that SGC is judged on, none of which it was trained on, and two that it was not made for.

About 40 outdoor pictures: those that training kept out, and fifteen of Kodak's, chosen by what they show before
anything was decoded: left out are portraits (4, 15, 18), things from close by (2, 3, 7, 17, 23), and motorcycles that
fill the picture (5). Each is its middle square, reduced to 512 pixels where it is larger.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from codectk.eval.pictures import expand
from codectk.picture.read import read_picture

SIDE = 512

KODAK = (1, 6, 8, 9, 10, 11, 12, 13, 14, 16, 19, 20, 21, 22, 24)
"""Numbers of Kodak's outdoor pictures."""

PORTRAIT = 4
"""Number of the Kodak picture that shows what happens to a face."""


@dataclass(frozen=True)
class Shot:
    """A picture uint8 (side, side, 3), side at most `SIDE`, and its name."""

    name: str
    pixels: np.ndarray

    @property
    def count(self) -> int:
        """Pixels."""
        return int(self.pixels.shape[0] * self.pixels.shape[1])


def square(path: Path, side: int = SIDE) -> Shot:
    """The middle square of a picture, reduced to `side`, or as it is where it is smaller."""
    image = Image.fromarray(read_picture(path).pixels)
    edge = min(image.size)
    left, top = (image.width - edge) // 2, (image.height - edge) // 2
    image = image.crop((left, top, left + edge, top + edge))
    if edge > side:
        image = image.resize((side, side), Image.Resampling.LANCZOS)
    return Shot(path.stem, np.asarray(image))


def outdoors(kept_out: Path, kodak: Path) -> list[Shot]:
    """All outdoor pictures, by name."""
    files = [*expand([kept_out]), *(kodak / f"kodim{number:02d}.png" for number in KODAK)]
    return [square(file) for file in sorted(files, key=lambda file: file.stem)]


def strangers(kodak: Path) -> list[Shot]:
    """A portrait and a page of text."""
    return [square(kodak / f"kodim{PORTRAIT:02d}.png"), Shot("text page", text_page())]


def text_page(side: int = SIDE) -> np.ndarray:
    """A white page with black lines of text, uint8 (side, side, 3)."""
    text = "A codec that paints what it was told is where cannot read, and it cannot write either. "
    page = Image.new("RGB", (side, side), "white")
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(18)
    for line in range((side - 40) // 26):
        start = 17 * line % len(text)
        draw.text((24, 20 + 26 * line), (text * 2)[start : start + 50], fill="black", font=font)
    return np.asarray(page)
