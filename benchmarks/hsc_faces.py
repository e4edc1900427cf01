"""HSC on faces: LPIPS and PSNR over bytes, layer by layer, beside WebP, AVIF and HEIC at their smallest files.

    python -m benchmarks hsc_faces render --styles STYLES.npz -n 200 --side 256 --out FACES
    python -m benchmarks hsc_faces rates FACES --lpips-weights LPIPS.safetensors --out docs/hsc-256
    python -m benchmarks hsc_faces sheet FACES --out docs/hsc
    python -m benchmarks hsc_faces portraits FACES --lpips-weights LPIPS.safetensors --out docs/hsc-portraits

`render` paints the last faces of a table of codes, which no head was trained on. `rates` really writes and decodes
every file; each layer's figures come from the same file, cut. `sheet` draws a few faces at every layer. `portraits`
asks of framed photos of people whether the person is still the same, by dlib's embedding (`hsc_identity`), at several
qualities and efforts, and draws them beside AVIF.
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
from benchmarks.hsc_identity import SAME, DlibIdentity, resized
from codectk.api import decode
from codectk.base.memory import keep_freed_memory
from codectk.base.types import Picture
from codectk.bitstream.reader import read
from codectk.eval.classical import REFERENCES
from codectk.eval.classical import decode as decode_classic
from codectk.metrics.catalog import build
from codectk.metrics.psnr import psnr
from codectk.picture.read import read_picture
from codectk.picture.strip import strip
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


def face_of(pixels: np.ndarray) -> tuple[slice, slice]:
    """Where the skin is in an FFHQ crop, about."""
    side = len(pixels)
    return slice(round(0.4 * side), round(0.75 * side)), slice(round(0.35 * side), round(0.65 * side))


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


def portraits(a: argparse.Namespace) -> None:
    keep_freed_memory()
    files = sorted(a.faces.glob("*.png"))[: a.n]
    (lpips,) = build(["lpips"], weights={"lpips": a.lpips_weights})
    who, codec = DlibIdentity(), codectk.load("hsc")
    rows: dict[str, list[dict[str, float]]] = defaultdict(list)
    drawn = []
    with Bar() as bar:
        bar.begin("coding portraits", len(files))
        for number, file in enumerate(files, 1):
            original = read_picture(file).pixels
            embedded = who([original])[0]
            shown, titles = [Picture(original)], ["original"]

            def measure(name: str, size: int, pixels: np.ndarray, began: float) -> None:
                seconds = time.process_time() - began
                skin = np.abs((pixels.astype(float) - original)[face_of(original)].mean((0, 1))).max()  # noqa: B023
                row = {
                    "bytes": size,
                    "lpips": lpips(original, pixels),  # noqa: B023
                    "identity": float(np.linalg.norm(who([pixels])[0] - embedded)),  # noqa: B023
                    "color": float(skin),
                    "seconds": seconds,
                }
                rows[name].append({key: round(float(value), 4) for key, value in row.items()})
                shown.append(Picture(pixels))  # noqa: B023
                titles.append(f"{name}, {size} B")  # noqa: B023

            for name, quality in (("avif", 0), ("avif", 15)):
                coded = REFERENCES[name].encode(original, quality)
                measure(f"{name} {quality}", len(coded), decode_classic(coded), time.process_time())
            for quality, effort in a.settings:
                began = time.process_time()
                data = codec.encode(original, quality=quality, effort=effort, aligned=True)
                measure(f"quality {quality:g}, effort {effort}", len(data), np.asarray(codec.decode(data)), began)
            same_size = [Picture(resized(picture.pixels)) for picture in shown]
            drawn.append(strip(same_size, titles).pixels)
            bar.show(number)
    table = [
        {
            "codec": name,
            **{key: round(float(np.mean([row[key] for row in found])), 4) for key in found[0]},
            "same_person": sum(row["identity"] < SAME for row in found),
        }
        for name, found in rows.items()
    ]
    for row in table:
        print(row)
    save(f"{a.out}.json", {"portraits": len(files), "identity": who.name, "means": table, "rows": rows})
    Image.fromarray(np.concatenate(drawn)).save(f"{a.out}.jpg", quality=88)


def setting(text: str) -> tuple[float, int]:
    """QUALITY:EFFORT."""
    quality, effort = text.split(":")
    return float(quality), int(effort)


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
    four = verbs.add_parser("portraits")
    four.set_defaults(run=portraits)
    four.add_argument("faces", type=Path)
    four.add_argument("--settings", type=setting, nargs="+", default=[(30.0, 4), (100.0, 4), (100.0, 6)])
    options(four, "-n", "--lpips-weights", "--out", n={"default": 24})


def main(a: argparse.Namespace) -> None:
    a.run(a)
