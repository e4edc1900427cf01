"""Does each part of SegPIC help? Equal small trainings with one part left out, in several seeds.

    python -m benchmarks ablation --data PHOTOS... --pictures KODAK --out runs/ablation --results docs/ablation

trains what is missing in --out (every run resumes), measures what is not measured yet, prints the table, and writes
RESULTS.json and the table between the marks in RESULTS.md. Without --data nothing is trained, without --pictures
nothing is measured. Several processes may train into one folder with different --parts or --seeds.

The pictures are cut into squares of the size of the training crops. So short a training knows nothing larger: on
whole pictures the rate of the same networks depends on the seed by tens of percent (--side 256 shows it).
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.ablation_effects import bd, deviation, effects, markdown
from benchmarks.ablation_tiles import GRID, check_files, measure
from benchmarks.common import options, save
from codectk.base.atomic import atomic_write
from codectk.base.memory import keep_freed_memory
from codectk.eval.curves import mean_curves
from codectk.eval.provenance import picture_digest, set_digest
from codectk.picture.read import read_picture
from codectk.train.checkpoint import load_checkpoint
from codectk.train.loop import train
from codectk.train.settings import from_dict

# Narrower than the preset, so that one training takes minutes; everything else is the preset.
WIDTHS = {"mid": [32, 64], "latent": 128, "slices": [16, 16, 32, 64], "heads": 2, "wam_units": [1, 1], "tail": 12}
WHOLE = "base"
PARTS = {
    "rat": "region-adaptive transforms (RAT)",
    "prototypes": "decoded prototypes (zeros instead)",
    "masks": "masks in training (grids only)",
    "sal": "scale affine layers (SAL)",
    "lrp": "latent residual prediction (LRP)",
}
CROP = 128
KINDS = {
    "carried": "BD-rate, errors at the frequencies that latents carry",
    "whole": "BD-rate, errors at all frequencies (PSNR)",
}
MARKS = ("<!-- results -->\n", "<!-- end of results -->\n")


def recipe_for(variant: str, steps: int, seed: int) -> dict[str, Any]:
    """The training of one variant; crops, qualities and noise depend on the seed alone."""
    options = {"config": "small", **WIDTHS, "without": [] if variant == WHOLE else [variant]}
    return {
        "codec": {"name": "segpic", "options": options},
        "data": {"crop": CROP, "batch": 8, "scale_min": 0.6},
        "optim": {
            "steps": steps,
            "lr": 5e-4,
            "warmup": 100,
            "decay": steps // 2,
            "ema": 0.99,
            "precision": "bfloat16",
            "seed": seed,
        },
        "run": {"log_every": 100, "checkpoint_minutes": 2.0},
    }


def train_missing(runs: Sequence[tuple[str, int]], data: Sequence[str], out: Path, steps: int) -> None:
    for variant, seed in runs:
        folder = out / f"{variant}-{seed}"
        begun = (folder / "checkpoint.pt").exists()
        if begun and load_checkpoint(folder / "checkpoint.pt")["step"] >= steps:
            continue
        Console(stderr=True).print(f"{variant}, seed {seed}")
        outcome = train(from_dict(recipe_for(variant, steps, seed)).on(data), folder, resume=begun)
        if outcome.signal:
            raise SystemExit(128 + outcome.signal)


def finished(runs: Sequence[tuple[str, int]], out: Path, steps: int) -> dict[tuple[str, int], Path]:
    """Folders of the runs that are exactly so long."""
    folders = {run: out / f"{run[0]}-{run[1]}" for run in runs}
    begun = {run: folder for run, folder in folders.items() if (folder / "checkpoint.pt").exists()}
    return {r: f for r, f in begun.items() if load_checkpoint(f / "checkpoint.pt")["step"] == steps}


def report(a: argparse.Namespace, runs: Sequence[tuple[str, int]]) -> None:
    """Measure the finished runs, print the tables and write the results."""
    pictures = {path.stem: read_picture(path) for path in sorted(a.pictures.glob("*.png"))}
    folders = finished(runs, a.out, a.steps)
    wholes = sorted(seed for name, seed in folders if name == WHOLE)
    if len(pictures) < 2 or not wholes:
        raise SystemExit(f"nothing to report: {len(pictures)} PNGs, {len(wholes)} finished runs of the whole method")
    measured = {run: measure(folder, run[0], pictures, a.side, a.every) for run, folder in folders.items()}
    console, text, judged = Console(width=140), "", {}
    for kind, title in KINDS.items():
        rows = {run: getattr(m, kind) for run, m in measured.items()}
        found = effects(rows, WHOLE, list(PARTS))
        spread = {seed: bd(rows[WHOLE, wholes[0]], rows[WHOLE, seed]) for seed in wholes[1:]}
        paired, freedom = deviation([effect.by_seed for effect in found.values()])
        table = markdown(found, PARTS, spread)
        text += f"{title}:\n\n{table}\n"
        console.print(_table(table, title))
        console.print(f"deviation between seeds, paired: {paired:.2f} % ({freedom} degrees of freedom)\n")
        judged[kind] = {
            "parts": {part: {**effect._asdict(), "verdict": effect.verdict} for part, effect in found.items()},
            "paired_deviation": {"percent": None if math.isnan(paired) else paired, "degrees_of_freedom": freedom},
            "whole_method_against_its_first_seed": spread,
            "curves": {
                f"{name}-{seed}": [[p.setting, p.bpp, p.psnr] for p in mean_curves(each)[0].points]
                for (name, seed), each in rows.items()
            },
        }
    checks = list(check_files(folders[WHOLE, wholes[0]] / "checkpoint.pt", pictures, a.side, a.files))
    trained, stored, real = (sum(values) for values in zip(*checks, strict=True))
    console.print(
        f"{len(checks)} real files: {(real - stored) / len(checks):+.1f} bytes each beyond their estimate; "
        f"storing the weights changes the estimate by {100 * (stored / trained - 1):+.2f} %"
    )
    if a.results is None:
        return
    results = {
        "format": "codectk-ablation/1",
        "pictures": set_digest(picture_digest(p.pixels) for p in pictures.values()),
        "tile": a.side,
        "every": a.every,
        "grid": GRID,
        "recipe": recipe_for(WHOLE, a.steps, wholes[0]),
        **judged,
        "files": [check._asdict() for check in checks],
    }
    save(a.results.with_suffix(".json"), results, more=("codectk-segpic",))
    page = a.results.with_suffix(".md")
    before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0]) if page.exists() else ("", "", "")
    _write(page, before + MARKS[0] + text + MARKS[1] + rest.partition(MARKS[1])[2])


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


def _table(text: str, title: str) -> Table:
    """A markdown table for the terminal."""
    head, _, *body = ([cell.strip() for cell in line[1:-1].split("|")] for line in text.splitlines())
    table = Table(*head, title=title)
    for cells in body:
        table.add_row(*(cell.replace("**", "") for cell in cells))
    return table


def arguments(parser: argparse.ArgumentParser) -> None:
    options(
        parser,
        "--data",
        "--pictures",
        "--out",
        "--steps",
        "--side",
        data={"nargs": "+", "help": "training photos: files or folders"},
        pictures={"help": "folder of PNGs to measure on", "required": False},
        out={"help": "folder of the runs"},
        steps={"default": 1100},
        side={"default": CROP, "help": "of the tiles, a multiple of 64"},
    )
    parser.add_argument("--parts", default=",".join((WHOLE, *PARTS)))
    parser.add_argument("--seeds", default="1,2,3")
    parser.add_argument("--every", type=int, default=1, help="measure one tile out of so many, to save time")
    parser.add_argument("--files", type=int, default=4, help="tiles of which real files are made, to check the rates")
    parser.add_argument("--results", type=Path, help="where the JSON and the page go, without extension")


def main(a: argparse.Namespace) -> None:
    if unknown := sorted(set(a.parts.split(",")) - {WHOLE, *PARTS}):
        a.error(f"there is no part '{unknown[0]}'; parts are {WHOLE}, {', '.join(PARTS)}")
    if a.side < 64 or a.side % 64 or min(a.files, a.every) < 1:
        a.error("--side must be a multiple of 64, --files and --every at least 1")
    runs = [(part, int(seed)) for seed, part in product(a.seeds.split(","), a.parts.split(","))]
    keep_freed_memory()
    if a.data:
        train_missing(runs, a.data, a.out, a.steps)
    if a.pictures:
        report(a, runs)
