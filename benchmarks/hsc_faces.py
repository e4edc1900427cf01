"""HSC on faces: LPIPS and PSNR over bytes, layer by layer, beside WebP, AVIF and HEIC at their smallest files.

    python -m benchmarks hsc_faces render --styles STYLES.npz -n 200 --side 256 --out FACES
    python -m benchmarks hsc_faces rates FACES --lpips-weights LPIPS.safetensors --out docs/hsc-256
    python -m benchmarks hsc_faces sheet FACES --out docs/hsc
    python -m benchmarks hsc_faces prior FACES

`render` paints the last faces of a table of codes, which no head was trained on. `rates` really writes and decodes
every file; each layer's figures come from the same file, cut. `sheet` draws a few faces at every layer. `prior`
tells what the core code is worth as the slices' prior: their bits with it, with another face's, and with zeros.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import codectk
from benchmarks.common import options, save
from codectk.api import decode
from codectk.base.types import Context, Picture
from codectk.bitstream.reader import read
from codectk.coding.coder import Meter
from codectk.eval.classical import REFERENCES
from codectk.eval.classical import decode as decode_classic
from codectk.metrics.catalog import build
from codectk.metrics.psnr import psnr
from codectk.picture.convert import to_float
from codectk.picture.read import read_picture
from codectk.picture.strip import strip
from codectk.pipeline import program
from codectk.pipeline.load import load
from codectk.testing.corrupt import layer_ends
from codectk.train.bar import Bar

CLASSIC = {"webp": (0, 10, 30), "avif": (0, 15, 30), "heic": (0, 15, 30)}
"""Qualities from the smallest file on."""

COLORS = {"hsc": "#d1382c", "webp": "#8a8f99", "avif": "#1f6fd0", "heic": "#148f5c"}


def render(a: argparse.Namespace) -> None:
    import torch

    from codectk_hsc.generators.library import load_generator, preset_path

    generator = load_generator(preset_path())
    codes = np.load(a.styles)["w"].astype(np.float32)[-a.n :]
    a.out.mkdir(parents=True, exist_ok=True)
    with Bar() as bar, torch.no_grad():
        bar.begin("painting faces", len(codes))
        for number, w in enumerate(codes):
            x = generator.picture(torch.from_numpy(w)[None], a.side)[0].clamp(0, 1)
            pixels = (x * 255).round().byte().permute(1, 2, 0).numpy()
            Image.fromarray(pixels).save(a.out / f"{number:03d}.png")
            bar.show(number + 1)


def rates(a: argparse.Namespace) -> None:
    files = sorted(a.faces.glob("*.png"))[: a.n]
    (lpips,) = build(["lpips"], weights={"lpips": a.lpips_weights})
    rows: dict[tuple[str, float], list[tuple[float, float, float]]] = defaultdict(list)
    seconds: dict[str, float] = defaultdict(float)

    def measure(name: str, setting: float, size: int, original: np.ndarray, pixels: np.ndarray) -> None:
        rows[name, setting].append((size, lpips(original, pixels), psnr(original, pixels)))  # type: ignore[arg-type]

    with Bar() as bar:
        bar.begin("measuring", len(files))
        for number, file in enumerate(files, 1):
            original = read_picture(file).pixels
            began = time.perf_counter()
            data = codectk.encode(original, codec="hsc", quality=100, aligned=True)
            seconds["encode"] += time.perf_counter() - began
            for layers, end in enumerate(layer_ends(data)):
                if layers not in a.layers:
                    continue
                began = time.perf_counter()
                decoded = decode(data, layers=layers)
                seconds["decode"] += (time.perf_counter() - began) / len(a.layers)
                measure("hsc", layers, end, original, np.asarray(decoded))
            for name, qualities in CLASSIC.items():
                for quality in qualities:
                    coded = REFERENCES[name].encode(original, quality)
                    measure(name, quality, len(coded), original, decode_classic(coded))
            bar.show(number)
    side = original.shape[0]
    results = [
        {
            "codec": name,
            "setting": setting,
            **{
                key: round(float(np.mean(column)), 4)
                for key, column in zip(("bytes", "lpips", "psnr"), np.array(values).T, strict=True)
            },
            "largest": int(max(value[0] for value in values)),
        }
        for (name, setting), values in rows.items()
    ]
    for row in results:
        row["bpp"] = round(8 * row["bytes"] / side**2, 6)
        print(
            f"{row['codec']:5} {row['setting']:>4g}: {row['bytes']:7.1f} bytes (at most {row['largest']}), "
            f"{row['bpp']:.5f} bpp, LPIPS {row['lpips']:.4f}, PSNR {row['psnr']:.2f} dB"
        )
    cost = {key: round(value / len(files), 3) for key, value in seconds.items()}
    print(f"seconds a picture of {side} pixels: {cost}")
    report = {
        "pictures": len(files), "side": side, "metric": "LPIPS (Alex v0.1)", "seconds": cost, "results": results,
    }  # fmt: skip
    save(f"{a.out}.json", report)
    plot(results, f"{a.out}.png", f"{len(files)} painted faces of {side} pixels, no head was trained on them")


def plot(results: Sequence[Mapping[str, float | str]], path: str, title: str) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for name, color in COLORS.items():
        points = sorted((row["bytes"], row["lpips"]) for row in results if row["codec"] == name)
        axis.plot(*zip(*points, strict=True), "o-", color=color, label=name.upper(), markersize=4)
    axis.set(xscale="log", xlabel="bytes of the file", ylabel="LPIPS (Alex v0.1), lower is better", title=title)
    axis.grid(True, which="both", color="#e3e6eb")
    axis.legend(frameon=False)
    for spine in ("top", "right"):
        axis.spines[spine].set_visible(False)
    figure.savefig(path, dpi=110)


def sheet(a: argparse.Namespace) -> None:
    rows = []
    for file in [*sorted(a.faces.glob("*.png"))[: a.n], *a.also]:
        picture = read_picture(file)
        pixels = np.asarray(Image.fromarray(picture.pixels).resize((a.side, a.side), Image.Resampling.LANCZOS))
        data = codectk.encode(pixels, codec="hsc", quality=100, aligned=True)
        ends = layer_ends(data)
        painted = [Picture(pixels), *(Picture(np.asarray(decode(data, layers=n))) for n in a.layers)]
        rows.append(strip(painted, ["original", *(f"{n} layers, {ends[n]} bytes" for n in a.layers)]).pixels)
        assert len(read(data).chunks) == len(ends)
    Image.fromarray(np.concatenate(rows)).save(f"{a.out}-layers.png")


def prior(a: argparse.Namespace) -> None:
    import torch

    codec = load("hsc").stages
    ctx = Context(256, 256, {"quality": 100.0})
    with torch.no_grad():
        values = [
            program.analyze(codec, codec.backend.from_pixels(to_float(read_picture(file).pixels)), ctx)
            for file in sorted(a.faces.glob("*.png"))[: a.n]
        ]
        spent = {"its own": 0.0, "another face's": 0.0, "zeros": 0.0}
        for number, made in enumerate(values):
            others = (made["core"], values[number - 1]["core"], torch.zeros_like(made["core"]))
            for name, core in zip(spent, others, strict=True):
                meter = Meter()
                program.code(codec, meter, {**made, "core": core}, Context(256, 256))
                spent[name] += sum(meter.by_layer[1:]) / 8 / len(values)
    own = spent["its own"]
    for name, size in spent.items():
        print(f"slices after the core code {name}: {size:.1f} bytes ({100 * (1 - own / size):.1f} % saved by its own)")


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True)
    one = verbs.add_parser("render")
    one.set_defaults(run=render)
    one.add_argument("--styles", type=Path, required=True)
    options(one, "-n", "--side", "--out", n={"default": 200}, side={"default": 256})
    two = verbs.add_parser("rates")
    two.set_defaults(run=rates)
    two.add_argument("faces", type=Path)
    options(two, "-n", "--layers", "--lpips-weights", "--out", n={"default": 200}, layers={"default": [0, 1, 2, 4, 8]})
    three = verbs.add_parser("sheet")
    three.set_defaults(run=sheet)
    three.add_argument("faces", type=Path)
    options(
        three,
        "-n",
        "--side",
        "--layers",
        "--out",
        n={"default": 5},
        side={"default": 256},
        layers={"default": [0, 1, 2, 4, 8]},
    )
    three.add_argument("--also", type=Path, nargs="*", default=[])
    four = verbs.add_parser("prior")
    four.set_defaults(run=prior)
    four.add_argument("faces", type=Path)
    options(four, "-n", n={"default": 50})


def main(a: argparse.Namespace) -> None:
    a.run(a)
