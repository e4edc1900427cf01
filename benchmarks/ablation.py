"""Does each part of SegPIC help? Equal small trainings with one part left out, compared on the same pictures.

    python benchmarks/ablation.py train --data PHOTOS... --out runs/ablation [--parts base,rat]
    python benchmarks/ablation.py report --pictures KODAK --out runs/ablation --markdown docs/ablation.md

`train` may run in several processes with different `--parts`; each run resumes. `report` measures every finished run
(rates by the meter on rounded latents, without file overhead) and prints BD-rates against the whole method with a 95 %
interval over pictures (paired bootstrap): positive means that leaving the part out costs bits.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table

from codectk.base.types import Context
from codectk.eval.bdrate import compare
from codectk.eval.bootstrap import bd_rate_interval
from codectk.eval.curves import Point, Row, mean_curves
from codectk.eval.metrics import psnr
from codectk.nn.coders import Meter
from codectk.nn.memory import keep_freed_memory
from codectk.picture.convert import to_float, to_uint8
from codectk.picture.pad import crop, pad
from codectk.picture.read import read_picture
from codectk.pipeline.stages import forward
from codectk.train.checkpoint import load_checkpoint
from codectk.train.recipe import from_dict
from codectk.train.run import train
from codectk_segpic.config import PARTS
from codectk_segpic.network import build

# Narrower than the preset, so that six trainings fit in minutes; everything else is the preset.
WIDTHS = {"mid": [32, 64], "latent": 128, "slices": [16, 16, 32, 64], "heads": 2, "wam_units": [1, 1], "tail": 12}
VARIANTS = ("base", *PARTS)
QUALITIES = (0.0, 25.0, 50.0, 75.0, 100.0)


def recipe_for(variant: str, steps: int, seed: int) -> dict:
    options = {"config": "small", **WIDTHS, "without": [] if variant == "base" else [variant]}
    return {
        "codec": {"name": "segpic", "options": options},
        "data": {"crop": 128, "batch": 8, "scale_min": 0.6},
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


def train_variants(variants: list[str], data: list[str], out: Path, steps: int, seed: int) -> None:
    for variant in variants:
        folder = out / f"{variant}-{seed}"
        done = (folder / "checkpoint.pt").exists()
        outcome = train(from_dict(recipe_for(variant, steps, seed)), data, folder, resume=done)
        if outcome.signal:
            raise SystemExit(128 + outcome.signal)


@torch.inference_mode()
def measure(folder: Path, pictures: list[Path], codec: str) -> list[Row]:
    state = load_checkpoint(folder / "checkpoint.pt")
    network = build(from_dict(state["recipe"]).codec.options)
    network.load_state_dict(state["ema"]["values"])
    wired = network.eval().codec()
    rows = []
    for path in pictures:
        picture = read_picture(path)
        pixels = pad(to_float(picture.pixels), 64)
        x = wired.backend.from_pixels(pixels)
        for quality in QUALITIES:
            meter = Meter()
            out = forward(wired, x, meter, Context(*pixels.shape[:2], {"quality": quality, "grid": 4})).x
            decoded = to_uint8(crop(wired.backend.to_pixels(out), picture.height, picture.width))
            bits = float(meter.bits)
            point = Point(bits / (picture.height * picture.width), psnr(picture.pixels, decoded), None, f"q{quality:g}")
            rows.append(Row(codec, point.setting, path.stem, round(bits / 8), point))
    return rows


def report(out: Path, pictures: list[Path], seed: int, markdown: Path | None) -> None:
    finished = [v for v in VARIANTS if (out / f"{v}-{seed}" / "checkpoint.pt").exists()]
    rows = {variant: measure(out / f"{variant}-{seed}", pictures, variant) for variant in finished}
    base = mean_curves(rows["base"])[0]
    steps = {load_checkpoint(out / f"{v}-{seed}" / "checkpoint.pt")["step"] for v in finished}
    if len(steps) > 1:
        raise SystemExit(f"the runs have different lengths ({sorted(steps)} steps): train the shorter ones to the end")
    table = Table("left out", "BD-rate", "95 % interval", title=f"{steps.pop()} steps, {len(pictures)} pictures")
    lines = ["| left out | BD-rate PSNR | 95 % interval |", "|---|---|---|"]
    for variant in finished[1:]:
        rate = compare(base, mean_curves(rows[variant])[0]).pchip
        interval = bd_rate_interval(rows["base"], rows[variant])
        cells = (variant, f"{rate:+.2f} %", f"{interval.low:+.2f} to {interval.high:+.2f} %")
        table.add_row(*cells)
        lines.append(f"| {' | '.join(cells)} |")
    Console().print(table)
    if markdown:
        markdown.write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("verb", choices=("train", "report"))
    parser.add_argument("--data", nargs="+", default=[])
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", default=",".join(VARIANTS))
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--markdown", type=Path)
    a = parser.parse_args()
    keep_freed_memory()
    if a.verb == "train":
        train_variants(a.parts.split(","), a.data, a.out, a.steps, a.seed)
    else:
        report(a.out, sorted(a.pictures.glob("*.png")), a.seed, a.markdown)


if __name__ == "__main__":
    main()
