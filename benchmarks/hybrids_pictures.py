"""For hybrids.py: crops of decoded pictures side by side, with the bytes of their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from codectk.picture.read import read_picture

SIDE, ZOOM, GAP, HEAD = 144, 2, 6, 24
CROPS = {  # within those that egic_pictures.py has chosen
    "face": ("kodim04", 165, 255),
    "water": ("kodim13", 370, 300),
    "letters": ("kodim20", 345, 220),
}


@dataclass(frozen=True)
class Strip:
    """What one strip shows: columns are (title, what decoded it, what coded it) in the folder of a kind."""

    kind: str
    quality: int
    columns: tuple[tuple[str, str, str], ...]


def _same(title: str, codec: str) -> tuple[str, str, str]:
    return title, codec, codec


STRIPS = {
    "h1": Strip("decoder", 25, (_same("SegPIC", "segpic"), _same("H1", "h1"))),
    "h2": Strip(
        "decoder",
        50,
        (_same("SegPIC", "segpic"), *((f"H2, realism {v}", f"h2 realism {v}", "h2") for v in ("0", "0.5", "1"))),
    ),
    "h4": Strip("rate", 25, (_same("SegPIC", "segpic"), _same("H4", "h4"))),
    "h9-segpic": Strip("rate", 25, (_same("SegPIC", "segpic"), _same("H9", "h9-segpic"))),
    "h9-egic": Strip("rate", 50, (_same("EGIC", "egic"), _same("H9", "h9-egic"))),
    "three": Strip("rate", 25, (_same("SegPIC", "segpic"), _same("three plugins", "three-plugins"))),
}


def draw(name: str, pictures: Path, kept: Path, path: Path) -> None:
    """Write a strip, if what it shows was measured.

    Args:
        name: of `STRIPS`.
        pictures: folder of the originals.
        kept: folder of the files that were measured.
        path: JPEG to be.
    """
    strip = STRIPS[name]
    folder, setting, cell = kept / strip.kind, f"-q{strip.quality}", SIDE * ZOOM
    first = f"{next(iter(CROPS.values()))[0]}{setting}.png"
    if not all((folder / painted / first).is_file() for _, painted, _ in strip.columns):
        return
    width = (len(strip.columns) + 1) * (cell + GAP) - GAP
    sheet = Image.new("RGB", (width, len(CROPS) * (cell + HEAD)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for row, (what, (stem, left, top)) in enumerate(CROPS.items()):
        cells = [(f"original, {what} of {stem}", pictures / f"{stem}.png")]
        for title, painted, coded in strip.columns:
            size = (folder / coded / f"{stem}{setting}.ctk").stat().st_size
            cells.append((f"{title}, {size:,} bytes", folder / painted / f"{stem}{setting}.png"))
        for column, (text, file) in enumerate(cells):
            pixels = read_picture(file).pixels[top : top + SIDE, left : left + SIDE]
            x, y = column * (cell + GAP), row * (cell + HEAD)
            pen.text((x + 2, y + 3), text, fill="black", font=font)
            shown = Image.fromarray(np.ascontiguousarray(pixels)).resize((cell, cell), Image.Resampling.NEAREST)
            sheet.paste(shown, (x, y + HEAD))
    sheet.save(path, quality=86, subsampling=0, optimize=True)
