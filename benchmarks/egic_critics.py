"""Crops of Kodak as decoded with several weights, side by side.

    codectk eval KODAK --codec egic --weights a.safetensors=A --weights b.safetensors=B --qualities 50 --keep kept/
    python -m benchmarks egic_critics --pictures KODAK --decoded A=kept/A B=kept/B --suffix=-q50 --out crops.png

The crops are those of egic_pictures.py.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.common import options
from benchmarks.egic_pictures import CROPS, crop
from codectk.eval.side_by_side import grid
from codectk.picture.read import read_picture


def arguments(parser: argparse.ArgumentParser) -> None:
    options(parser, "--pictures", "--decoded", "--suffix", "--out")


def main(a: argparse.Namespace) -> None:
    columns = [("original", a.pictures, "")]
    columns += [(label, Path(folder), a.suffix) for label, _, folder in (item.partition("=") for item in a.decoded)]
    rows = [
        [
            (
                label if folder != a.pictures else f"{name}, {stem}",
                crop(read_picture(folder / f"{stem}{suffix}.png").pixels, left, top),
            )
            for label, folder, suffix in columns
        ]
        for name, (stem, left, top) in CROPS.items()
    ]
    grid(rows).save(a.out, quality=92, subsampling=0)  # a PNG ignores both
