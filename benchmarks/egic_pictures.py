"""Look at EGIC: crops of Kodak pictures beside AVIF of the same size, and one file at five values of the knob.

    python -m benchmarks egic_pictures --pictures KODAK --quality 40 --out docs/egic

writes OUT-crops.png (original, AVIF, realism 0, realism 1) and OUT-strip.png. The crops were chosen before the pictures
were looked at: grass, water, windows, lettering, faces, and hard edges.
"""

from __future__ import annotations

import argparse

import numpy as np

import codectk
from benchmarks.common import options
from codectk.api import decode_pictures
from codectk.base.types import Picture
from codectk.eval.classical import REFERENCES, decode, encode_at_size
from codectk.eval.side_by_side import grid
from codectk.picture.read import read_picture
from codectk.picture.strip import strip
from codectk.picture.write import write_picture

SIDE = 224
CROPS = {  # name: (picture, left, top)
    "grass": ("kodim20", 40, 270),
    "water": ("kodim13", 330, 260),
    "windows": ("kodim08", 300, 250),
    "letters": ("kodim20", 340, 140),
    "face": ("kodim04", 150, 180),
    "face paint": ("kodim15", 330, 60),
    "edges": ("kodim19", 130, 330),
}
STRIP = ("kodim13", 330, 160, (0.0, 0.25, 0.5, 0.75, 1.0))
TITLES = ("original", "AVIF, same bytes", "realism 0", "realism 1")


def crop(pixels: np.ndarray, left: int, top: int) -> np.ndarray:
    """The square of `SIDE` pixels at a place."""
    return pixels[top : top + SIDE, left : left + SIDE]


def arguments(parser: argparse.ArgumentParser) -> None:
    options(parser, "--pictures", "--quality", "--out", quality={"default": 40.0})


def main(a: argparse.Namespace) -> None:
    rows = []
    for name, (stem, left, top) in CROPS.items():
        picture = read_picture(a.pictures / f"{stem}.png")
        data = codectk.encode(picture, codec="egic", quality=a.quality)
        faithful, realistic = decode_pictures(data, [{"realism": 0}, {"realism": 1}])
        avif = encode_at_size(REFERENCES["avif"], picture.pixels, len(data)).data
        shown = (picture.pixels, decode(avif), faithful.pixels, realistic.pixels)
        bpp = [8 * len(d) / picture.width / picture.height for d in (avif, data, data)]
        texts = [f"{name}, {stem}"]
        texts += [f"{title}, {rate:.3f} bpp" for title, rate in zip(TITLES[1:], bpp, strict=True)]
        rows.append([(text, crop(pixels, left, top)) for text, pixels in zip(texts, shown, strict=True)])
    grid(rows).save(f"{a.out}-crops.jpg", quality=92, subsampling=0)
    stem, left, top, values = STRIP
    data = codectk.encode(a.pictures / f"{stem}.png", codec="egic", quality=a.quality)
    painted = [
        Picture(crop(picture.pixels, left, top))
        for picture in decode_pictures(data, [{"realism": value} for value in values])
    ]
    write_picture(f"{a.out}-strip.png", strip(painted, [f"realism {value:g}" for value in values]))
