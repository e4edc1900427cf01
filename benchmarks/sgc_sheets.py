"""Sheets of what SGC makes of pictures, good and bad.

    python -m benchmarks sgc_sheets --kept-out OUTDOOR --kodak KODAK --keep KEPT --out docs/sgc

writes four of them: OUT-pictures.jpg (every second of the evaluation's pictures by name, chosen before any was
decoded), OUT-strangers.jpg (a portrait and a page of text, for which it was not made), OUT-ablations.jpg, and
OUT-smallest.jpg (beside AVIF and WebP at their smallest files).
"""

from __future__ import annotations

import argparse
import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from benchmarks.common import options
from benchmarks.sgc_painting import Coded, Painter, enlarged_colors, load_codec
from benchmarks.sgc_pictures import Shot, outdoors, strangers
from benchmarks.sgc_quality import ABLATION_STEPS, some
from codectk.base.atomic import atomic_write
from codectk.eval.classical import REFERENCES
from codectk.eval.classical import decode as decode_classic
from codectk.eval.side_by_side import grid
from codectk_labels.groups import GROUPS, palette
from codectk_sgc.colors.quantize import restore

LIMIT = 600_000
"""Bytes of a sheet at most."""

HEAD = 19
GAP = 4

Panel = tuple[str, np.ndarray]
"""A caption and a picture uint8 (H, W, 3)."""


def drawn(rows: Sequence[Sequence[Panel]], side: int, across: int = 1, legend: bool = False) -> Image.Image:
    """Rows of panels, each under its caption, `across` rows beside each other."""
    lines = -(-len(rows) // across)
    cells = [[(caption, np.asarray(resized(pixels, side))) for caption, pixels in row] for row in rows]
    beside = [[panel for row in cells[line::lines] for panel in row] for line in range(lines)]
    sheet = grid(beside, gap=GAP, head=HEAD, size=12)
    if legend:
        x, y = 2, sheet.height + 4
        sheet = ImageOps.expand(sheet, (0, 0, 0, 22), "white")
        draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(12)
        for group in GROUPS:
            draw.rectangle((x, y, x + 13, y + 13), fill=group.color)
            draw.text((x + 17, y), group.name, fill="black", font=font)
            x += 28 + int(draw.textlength(group.name, font=font))
    return sheet


def resized(pixels: np.ndarray, side: int) -> Image.Image:
    """A picture at another size, its cells sharp if it is a map."""
    how = Image.Resampling.LANCZOS if pixels.shape[0] > 64 else Image.Resampling.NEAREST
    return Image.fromarray(np.ascontiguousarray(pixels)).resize((side, side), how)


def maps(coded: Coded) -> np.ndarray:
    """Label map in colors above and right, color map below and left of the diagonal: uint8 (64, 64, 3)."""
    labels = np.asarray(resized(palette()[coded.labels + 1], 64))
    colors = np.asarray(resized((restore(coded.levels) * 255).round().astype(np.uint8), 64))
    y, x = np.mgrid[:64, :64]
    return np.where((x >= y)[..., None], labels, colors)


def rows_of(painter: Painter, shots: Sequence[Shot], steps: int | None) -> list[list[Panel]]:
    """Original, both maps, and the decoded picture."""
    rows = []
    for shot in shots:
        coded = painter.coded(shot)
        labels = palette()[coded.labels + 1]
        colors = (restore(coded.levels) * 255).round().astype(np.uint8)
        size = len(coded.data)
        decoded = painter.painted(coded, painter.setting(steps))
        rows.append([
            (shot.name, shot.pixels), ("labels", labels), ("colors", colors),
            (f"{size} bytes, {8 * size / shot.count:.4f} bpp", decoded),
        ])  # fmt: skip
    return rows


def ablations(painter: Painter, shots: Sequence[Shot]) -> list[list[Panel]]:
    """Maps left out, and starts from nearer to the color map and from noise."""
    base = painter.setting(ABLATION_STEPS)
    shown = {"labels off": replace(base, labels=False), "colors off": replace(base, colors=False)}
    shown |= {f"strength {s:g}": replace(base, strength=s) for s in (0.3, 0.5, 0.7, 1.0)}
    rows = []
    for shot in shots:
        coded = painter.coded(shot)
        row = [(shot.name, shot.pixels), ("labels | colors", maps(coded)), ("colors enlarged", enlarged_colors(coded))]
        rows.append([*row, *((title, painter.painted(coded, setting)) for title, setting in shown.items())])
    return rows


def smallest(painter: Painter, shots: Sequence[Shot], steps: int | None) -> list[list[Panel]]:
    """Beside the smallest files of AVIF and WebP."""
    rows = []
    for shot in shots:
        coded = painter.coded(shot)
        row = [
            (shot.name, shot.pixels),
            (f"SGC: {len(coded.data)} bytes", painter.painted(coded, painter.setting(steps))),
        ]
        for name in ("avif", "webp"):
            data = REFERENCES[name].encode(shot.pixels, 0)
            row.append((f"{REFERENCES[name].title}, smallest: {len(data):,} bytes", decode_classic(data)))
        rows.append(row)
    return rows


def save(sheet: Image.Image, path: str) -> None:
    """A JPEG of the best quality that stays within `LIMIT`."""
    for quality in range(90, 40, -4):
        file = io.BytesIO()
        sheet.save(file, "JPEG", quality=quality, optimize=True, progressive=True)
        if file.tell() <= LIMIT:
            break
    with atomic_write(path) as out:
        out.write(file.getvalue())
    print(f"{path}: {sheet.width}x{sheet.height}, {file.tell():,} bytes")


def arguments(parser: argparse.ArgumentParser) -> None:
    options(parser, "--kept-out", "--kodak", "--codec", "--keep", "--steps", "--out")


def main(a: argparse.Namespace) -> None:
    shots, painter = outdoors(a.kept_out, a.kodak), Painter(load_codec(a.codec), a.keep)
    save(drawn(rows_of(painter, shots[::2], a.steps), 168, across=2, legend=True), f"{a.out}-pictures.jpg")
    save(drawn(rows_of(painter, strangers(a.kodak), a.steps), 300, legend=True), f"{a.out}-strangers.jpg")
    # Those of the ablations, of which the middle four are shown.
    few = some(shots, 12)[1:11:3]
    save(drawn(ablations(painter, few), 190), f"{a.out}-ablations.jpg")
    save(drawn(smallest(painter, few, a.steps), 330), f"{a.out}-smallest.jpg")
