"""Look at EGIC: crops of Kodak pictures beside AVIF of the same size, and one file at five values of the knob.

    python benchmarks/egic_pictures.py --pictures KODAK --quality 40 --out docs/egic

writes OUT-crops.png (original, AVIF, realism 0, realism 1) and OUT-strip.png. The crops were chosen before the pictures
were looked at: grass, water, windows, lettering, faces, and hard edges.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import codectk
from codectk.api import decode_pictures
from codectk.base.types import Picture
from codectk.eval.classical import REFERENCES, decode, encode_at_size
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--quality", type=float, default=40.0)
    parser.add_argument("--out", type=Path, required=True)
    a = parser.parse_args()
    font, head = ImageFont.load_default(15), 26
    sheet = Image.new("RGB", (4 * (SIDE + 6) - 6, len(CROPS) * (SIDE + head)), "white")
    draw = ImageDraw.Draw(sheet)
    for row, (name, (stem, left, top)) in enumerate(CROPS.items()):
        picture = read_picture(a.pictures / f"{stem}.png")
        data = codectk.encode(picture, codec="egic", quality=a.quality)
        faithful, realistic = decode_pictures(data, [{"realism": 0}, {"realism": 1}])
        avif = encode_at_size(REFERENCES["avif"], picture.pixels, len(data)).data
        shown = (picture.pixels, decode(avif), faithful.pixels, realistic.pixels)
        bpp = [None, *(8 * len(d) / picture.width / picture.height for d in (avif, data, data))]
        for column, (pixels, title, rate) in enumerate(zip(shown, TITLES, bpp, strict=True)):
            x, y = column * (SIDE + 6), row * (SIDE + head)
            text = f"{name}, {stem}" if rate is None else f"{title}, {rate:.3f} bpp"
            draw.text((x + 2, y + 4), text, fill="black", font=font)
            sheet.paste(
                Image.fromarray(np.ascontiguousarray(pixels[top : top + SIDE, left : left + SIDE])), (x, y + head)
            )
    sheet.convert("RGB").save(f"{a.out}-crops.jpg", quality=92, subsampling=0)
    stem, left, top, values = STRIP
    data = codectk.encode(a.pictures / f"{stem}.png", codec="egic", quality=a.quality)
    painted = [
        Picture(picture.pixels[top : top + SIDE, left : left + SIDE])
        for picture in decode_pictures(data, [{"realism": value} for value in values])
    ]
    write_picture(f"{a.out}-strip.png", strip(painted, [f"realism {value:g}" for value in values]))


if __name__ == "__main__":
    main()
