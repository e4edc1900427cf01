"""What SGC's label and color maps cost: our coders beside PNG, lossless WebP, zlib and xz, and whole files.

    python -m benchmarks sgc_side_information --photos COCO/val2017 --labels COCO/semantic_val2017 --out sgc-maps

`--labels` has an 8-bit PNG per photo with COCO's category id of every pixel, 0 for none: the semantic maps of
COCO-panoptic. Ids become the 182 classes of COCO-Stuff, and photo and map are cut to their middle 512x512. Writes
OUT.json and, to look at, OUT.png. All others get what suits them best: maps with labels renumbered from 0, PNG the
lowest depth that holds them, zlib and xz the better order of planes, xz the better of its two containers.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import lzma
import platform
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from benchmarks.common import options, save
from codectk.base.atomic import atomic_write
from codectk.base.types import Context
from codectk.bitstream.chunk import LATENTS, Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.writer import write
from codectk.coding.coder import Decoder, Encoder
from codectk.plugins.manager import component
from codectk.spec.stages import EntropyModel
from codectk_sgc.colors.quantize import quantize, restore
from codectk_sgc.colors.reduce import color_map
from codectk_sgc.labels.reduce import majority

SIDE = 512
BUDGET = 0.0209
"""Bits per pixel of the paper, labels and colors together."""

VOID = 255
MERGED = {
    184: "tree", 185: "fence", 186: "ceiling-other", 187: "sky-other", 188: "cabinet", 189: "table", 190: "floor-other",
    191: "pavement", 192: "mountain", 193: "grass", 194: "dirt", 195: "paper", 196: "food-other", 197: "building-other",
    198: "rock", 199: "wall-other", 200: "rug",
}  # fmt: skip
"""COCO-panoptic's merged categories, and the class of COCO-Stuff that stands for each here."""


def class_table() -> np.ndarray:
    """uint8 (256,): class of COCO-Stuff, 0..181, by COCO's category id; VOID for ids without one."""
    from codectk_sgc.labels.names import COCO_STUFF

    table = np.full(256, VOID, np.uint8)
    table[1:183] = np.arange(182)
    for number, name in MERGED.items():
        table[number] = COCO_STUFF.index(name)
    return table


def square(path: Path, mode: str, resampling: Image.Resampling) -> np.ndarray:
    """The middle of a picture, SIDE x SIDE."""
    with Image.open(path) as image:
        side = min(image.size)
        left, top = (image.width - side) / 2, (image.height - side) / 2
        return np.asarray(image.convert(mode).resize((SIDE, SIDE), resampling, (left, top, left + side, top + side)))


def saved(image: Image.Image, kind: str, **options: object) -> int:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return len(file.getvalue())


def png(map_: np.ndarray) -> int:
    if map_.ndim == 3:
        return saved(Image.fromarray(map_), "PNG", optimize=True)
    image = Image.fromarray(map_, "L").convert("P")
    count = int(map_.max()) + 1
    image.putpalette([level for label in range(count) for level in (label, label, label)])
    image.putdata(map_.ravel().tolist())
    return min(saved(image, "PNG", optimize=True, bits=bits) for bits in (1, 2, 4, 8) if count <= 1 << bits)


def webp(map_: np.ndarray) -> int:
    rgb = map_ if map_.ndim == 3 else np.repeat(map_[..., None], 3, axis=-1)
    return saved(Image.fromarray(rgb), "WEBP", lossless=True, quality=100, method=6)


def best_order(pack: Callable[[bytes], bytes]) -> Callable[[np.ndarray], int]:
    def size(map_: np.ndarray) -> int:
        return min(len(pack(np.ascontiguousarray(order).tobytes())) for order in (map_, np.moveaxis(map_, -1, 0)))

    return size


def xz(data: bytes) -> bytes:
    preset = 9 | lzma.PRESET_EXTREME
    packed = (
        lzma.compress(data, lzma.FORMAT_XZ, lzma.CHECK_NONE, preset),
        lzma.compress(data, lzma.FORMAT_ALONE, preset=preset),
    )
    return min(packed, key=len)


OTHERS: dict[str, Callable[[np.ndarray], int]] = {
    "PNG": png, "WebP": webp, "zlib": best_order(lambda data: zlib.compress(data, 9)), "xz": best_order(xz),
}  # fmt: skip


def coded(model: EntropyModel, values: dict[str, np.ndarray]) -> tuple[list[bytes], float]:
    """Payloads, checked to decode to `values`, and CPU seconds for encoding and decoding."""
    ctx = Context(SIDE, SIDE)
    start = time.process_time()
    encoder = Encoder()
    model.code(encoder, values, ctx)
    payloads = encoder.finish()
    decoder = Decoder(payloads)
    decoded = model.code(decoder, None, ctx)
    decoder.finish()
    seconds = time.process_time() - start
    for name in decoded:
        if not np.array_equal(decoded[name], values[name]):
            raise SystemExit(f"{name} came back changed")
    return payloads, seconds


def whole_file(payloads: list[bytes]) -> bytes:
    """A file as a codec with weights writes it whose knobs are a seed of four bytes and a number of steps."""
    knobs = {"seed": 2**32 - 1, "steps": 200}
    header = Header(
        "sgc", "codectk-sgc", SIDE, SIDE, weights=hashlib.sha256(b"").digest()[:4], knobs=knobs, portable=True
    )
    return write(header, [Chunk(LATENTS, payload, critical=True) for payload in payloads])


def draw(rows: list[dict[str, object]], pictures: list[tuple[np.ndarray, np.ndarray, np.ndarray]], out: Path) -> None:
    """Photo, label map and color map of some pictures, from the smallest file to the largest."""
    order = np.argsort([row["file"] for row in rows], kind="stable")
    some = order[np.linspace(0, len(order) - 1, 6).astype(int)]
    hues = np.random.default_rng(5).permutation(plt.get_cmap("turbo")(np.linspace(0, 1, 256))[:, :3])
    figure, axes = plt.subplots(3, len(some), figsize=(2.2 * len(some), 6.8), layout="constrained")
    for column, which in zip(axes.T, some, strict=True):
        row, (photo, labels, colors) = rows[which], pictures[which]
        shown = ((photo, row["name"]), (hues[labels], f"labels: {row['labels']['ours']} bytes"),
                 (restore(colors), f"colors: {row['colors']['ours']}, file: {row['file']}"))  # fmt: skip
        for axis, (map_, title) in zip(column, shown, strict=True):
            axis.imshow(map_, interpolation="nearest")
            axis.set_title(title, fontsize=8)
            axis.axis("off")
    with atomic_write(out) as file:
        figure.savefig(file, dpi=110, format="png")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--photos", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    options(parser, "--out")
    parser.add_argument("--limit", type=int, help="pictures to take at most")


def main(a: argparse.Namespace) -> None:
    models = {name: component("entropy_model", f"sgc.{name[:-1]}_coder") for name in ("labels", "colors")}
    both, table = component("entropy_model", "sgc.semantic_coder"), class_table()
    rows, pictures = [], []
    for path in sorted(a.labels.glob("*.png"))[: a.limit]:
        photo = square(a.photos / f"{path.stem}.jpg", "RGB", Image.Resampling.BICUBIC)
        labels = majority(table[square(path, "L", Image.Resampling.NEAREST)], VOID)
        colors = quantize(color_map(photo.astype(np.float32) / np.float32(255)))
        values = {"labels": labels, "colors": colors}
        payloads, seconds = coded(both, values)
        row = {
            "name": path.stem,
            "classes": len(np.unique(labels)),
            "file": len(whole_file(payloads)),
            "seconds": seconds,
        }
        plain = {
            "labels": np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.uint8),
            "colors": colors,
        }
        for name, model in models.items():
            alone, seconds = coded(model, values)
            sizes = {other: size(plain[name]) for other, size in OTHERS.items()}
            row[name] = {"ours": len(alone[0]), **sizes, "seconds": seconds}
        rows.append(row)
        pictures.append((photo, labels, colors))
    if not rows:
        raise SystemExit(f"{a.labels} has no PNG")
    summary = summarize(rows)
    result = {
        "pictures": len(rows), "side": SIDE, "python": platform.python_version(), "numpy": np.__version__,
        "pillow": Image.__version__, "summary": summary, "rows": rows,
    }  # fmt: skip
    save(a.out.with_suffix(".json"), result)
    draw(rows, pictures, a.out.with_suffix(".png"))
    show(summary, rows)


def summarize(rows: list[dict]) -> dict:
    """Means and worst cases of bytes and seconds."""
    result: dict = {}
    for name in ("labels", "colors"):
        columns = {who: [row[name][who] for row in rows] for who in ("ours", *OTHERS, "seconds")}
        result[name] = {who: {"mean": float(np.mean(column)), "worst": max(column)} for who, column in columns.items()}
        best = [min(row[name][who] for who in OTHERS) for row in rows]
        ours = columns["ours"]
        result[name]["best of others"] = {"mean": float(np.mean(best)), "worst": max(best)}
        result[name]["saved"] = {
            "mean": 1 - sum(ours) / sum(best), "worst": min(1 - o / b for o, b in zip(ours, best, strict=True)),
        }  # fmt: skip
    files = [row["file"] for row in rows]
    result["file"] = {"mean": float(np.mean(files)), "worst": max(files)}
    result["file"] |= {"bpp": result["file"]["mean"] * 8 / SIDE**2, "worst bpp": max(files) * 8 / SIDE**2}
    return result


def show(summary: dict, rows: list[dict]) -> None:
    table = Table("bytes", "ours", *OTHERS, "best of others, per map", "saved", "CPU ms, both ways")
    for name in ("labels", "colors"):
        for which in ("mean", "worst"):
            part = summary[name]
            cells = [f"{part[who][which]:.1f}" for who in ("ours", *OTHERS, "best of others")]
            table.add_row(
                f"{name}, {which}", *cells, f"{part['saved'][which]:.1%}", f"{1000 * part['seconds'][which]:.0f}"
            )
    console = Console(width=120)
    console.print(table)
    file, limit = summary["file"], BUDGET * SIDE**2 / 8
    inside = sum(row["file"] <= limit for row in rows)
    console.print(
        f"Whole files: mean {file['mean']:.1f} bytes ({file['bpp']:.4f} bpp), worst {file['worst']} "
        f"({file['worst bpp']:.4f} bpp); {inside} of {len(rows)} within the paper's {BUDGET} bpp ({limit:.0f} bytes)."
    )
