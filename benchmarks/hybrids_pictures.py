"""For hybrids.py: crops of decoded pictures side by side, with the bytes of their files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from codectk.eval.side_by_side import grid
from codectk.picture.read import read_picture

SIDE, ZOOM = 144, 2
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
    folder, setting = kept / strip.kind, f"-q{strip.quality}"
    first = f"{next(iter(CROPS.values()))[0]}{setting}.png"
    if not all((folder / painted / first).is_file() for _, painted, _ in strip.columns):
        return
    rows = []
    for what, (stem, left, top) in CROPS.items():
        cells = [(f"original, {what} of {stem}", pictures / f"{stem}.png")]
        for title, painted, coded in strip.columns:
            size = (folder / coded / f"{stem}{setting}.ctk").stat().st_size
            cells.append((f"{title}, {size:,} bytes", folder / painted / f"{stem}{setting}.png"))
        crops = [read_picture(file).pixels[top : top + SIDE, left : left + SIDE] for _, file in cells]
        enlarged = [pixels.repeat(ZOOM, 0).repeat(ZOOM, 1) for pixels in crops]
        rows.append([(text, pixels) for (text, _), pixels in zip(cells, enlarged, strict=True)])
    grid(rows, head=24).save(path, quality=86, subsampling=0, optimize=True)
