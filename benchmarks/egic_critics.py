"""Crops of Kodak as decoded with several weights, side by side.

    codectk eval KODAK --codec egic --weights a.safetensors=A --weights b.safetensors=B --qualities 50 --keep kept/
    python benchmarks/egic_critics.py --pictures KODAK --decoded A=kept/A B=kept/B --suffix=-q50 --out crops.png

The crops are those of egic_pictures.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from egic_pictures import CROPS, SIDE
from PIL import Image, ImageDraw, ImageFont

from codectk.picture.read import read_picture

GAP, HEAD = 6, 26


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, required=True)
    parser.add_argument("--decoded", nargs="+", required=True, metavar="LABEL=FOLDER")
    parser.add_argument("--suffix", default="", help="between a picture's name and .png in these folders")
    parser.add_argument("--out", type=Path, required=True)
    a = parser.parse_args()
    columns = [("original", a.pictures, "")]
    columns += [(label, Path(folder), a.suffix) for label, _, folder in (item.partition("=") for item in a.decoded)]
    size = (len(columns) * (SIDE + GAP) - GAP, len(CROPS) * (SIDE + HEAD))
    sheet = Image.new("RGB", size, "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(15)
    for row, (name, (stem, left, top)) in enumerate(CROPS.items()):
        for column, (label, folder, suffix) in enumerate(columns):
            pixels = read_picture(folder / f"{stem}{suffix}.png").pixels[top : top + SIDE, left : left + SIDE]
            x, y = column * (SIDE + GAP), row * (SIDE + HEAD)
            draw.text((x + 2, y + 4), label if column else f"{name}, {stem}", fill="black", font=font)
            sheet.paste(Image.fromarray(np.ascontiguousarray(pixels)), (x, y + HEAD))
    sheet.convert("RGB").save(a.out, quality=92, subsampling=0)  # a PNG ignores both


if __name__ == "__main__":
    main()
