"""Rate-distortion of a codec on the 24 Kodak pictures against measured and published lines.

    python -m benchmarks kodak_rd --kodak FOLDER_OR_TAR --baselines FOLDER --out docs/kodak

writes OUT.json, OUT.csv, OUT.png and OUT.svg and prints the tables. The baselines are not part of this repository: a
folder with `baselines-kodak.csv` (per picture) and `published-kodak.json` (means); without it, JPEG and WebP are
measured on the spot and are the only anchors. What follows after `--` goes to `codectk eval`.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tarfile
import tempfile
from pathlib import Path

from benchmarks.common import options
from codectk.cli.main import run

MEASURED = {
    "jpeg-420-prog": "JPEG 4:2:0",
    "webp-m6": "WebP",
    "avif-444-s6-psnr": "AVIF 4:4:4",
    "heic-x265-444-psnr": "HEIC (x265) 4:4:4",
}
PUBLISHED = {"compressai-mbt2018-mean_mse_cuda": "mbt2018-mean", "vtm": "VTM (published)"}


def arguments(parser: argparse.ArgumentParser) -> None:
    options(
        parser,
        "--kodak",
        "--codec",
        "--out",
        kodak={"default": Path("../shared/data/kodak.tar"), "help": "folder or tar of kodim*.png", "required": False},
        codec={"default": "segpic"},
        out={"help": "results without extension"},
    )
    parser.add_argument("more", nargs="*", help="options of codectk eval, after --")
    parser.add_argument("--baselines", type=Path, default=Path("../shared/baselines"), help="folder of anchor tables")
    parser.add_argument("--qualities", default="0,10,20,30,40,55,70,85,100")


def main(a: argparse.Namespace) -> int:
    with tempfile.TemporaryDirectory(prefix="kodak-") as folder:
        pictures = a.kodak
        if pictures.is_file():
            with tarfile.open(pictures) as tar:
                tar.extractall(folder, filter="data")
            pictures = sorted(Path(folder).rglob("kodim01.png"))[0].parent
        line = ["eval", str(pictures), "--codec", a.codec, "--qualities", a.qualities]
        line += anchors(a.baselines) if a.baselines.is_dir() else ["--classic", "jpeg,webp"]
        line += ["--json", f"{a.out}.json", "--csv", f"{a.out}.csv", "--plot", f"{a.out}.png"]
        print("codectk", shlex.join([*line, *a.more]), file=sys.stderr)
        return run([*line, *a.more])


def anchors(folder: Path) -> list[str]:
    """Arguments that name the lines, with the labels of the plot."""
    words = []
    for name, lines in (("baselines-kodak.csv", MEASURED), ("published-kodak.json", PUBLISHED)):
        chosen = ",".join(f"{line}={label}" for line, label in lines.items())
        words += ["--anchors", f"{folder / name}:{chosen}"]
    return words
