"""Pictures that no camera takes, to train on beside photos: text, drawings, flat colors, gradients, pages.

    python recipes/renderings.py FOLDER [--count 200] [--seed 1]

Writes FOLDER/render_0000.png and on, 512x512. The same seed gives the same pictures with the same versions of Pillow
and matplotlib, whose fonts (DejaVu, STIX, Computer Modern; all free) the text is set in.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

SIDE = 512
FINE = 4
"""Drawings are made this many times larger and reduced, for smooth edges."""
FONTS = (
    "DejaVuSans", "DejaVuSans-Bold", "DejaVuSans-Oblique", "DejaVuSerif", "DejaVuSerif-Italic", "DejaVuSansMono",
    "DejaVuSansMono-Bold", "STIXGeneral", "STIXGeneralBol", "STIXGeneralItalic", "cmr10", "cmss10", "cmtt10",
)  # fmt: skip
WORDS = """
the of and to in is that it was for on are as with his they at be this have from or one had by word but not what
all were we when your can said there use an each which she do how their if will up other about out many then them
these so some her would make like him into time has look two more write go see number no way could people my than
first water been call who oil its now find long down day did get come made may part over new sound take only
little work know place year live me back give most very after thing our just name good sentence man think say
great where help through much before line right too mean old any same tell boy follow came want show also around
form three small set put end does another well large must big even such because turn here why ask went men read
need land different home us move try kind hand picture again change off play spell air away animal house point
page letter mother answer found study still learn should America world quality Photograph Bibliography Quixotic
"""

Color = tuple[int, int, int]


def color(rng: np.random.Generator) -> Color:
    """Any color; every third one is a grey."""
    if rng.random() < 0.33:
        return (int(rng.integers(256)),) * 3
    r, g, b = rng.integers(0, 256, 3).tolist()
    return r, g, b


def paper_and_ink(rng: np.random.Generator) -> tuple[Color, Color]:
    """Mostly dark on white, sometimes light on dark, sometimes two far colors."""
    kind = rng.random()
    if kind < 0.5:
        return (255, 255, 255), (int(rng.integers(0, 60)),) * 3
    if kind < 0.65:
        return (int(rng.integers(0, 50)),) * 3, (int(rng.integers(200, 256)),) * 3
    while True:
        paper, ink = color(rng), color(rng)
        if abs(sum(paper) - sum(ink)) > 200:
            return paper, ink


def font(rng: np.random.Generator, size: int) -> ImageFont.FreeTypeFont:
    folder = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(folder / f"{rng.choice(FONTS)}.ttf"), size)


def words(rng: np.random.Generator, count: int) -> str:
    chosen = rng.choice(WORDS.split(), count).tolist()
    return " ".join(str(rng.integers(10**6)) if rng.random() < 0.05 else word for word in chosen)


def write(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, box: tuple[int, int, int, int], ink: Color, size: int
) -> None:
    """Lines of words that fill a box (left, top, right, bottom)."""
    left, top, right, bottom = box
    face = font(rng, size)
    y = float(top)
    while y + size < bottom:
        line = words(rng, max(1, int((right - left) / size)))
        while line and draw.textlength(line, face) > right - left:
            line = line.rpartition(" ")[0]
        draw.text((left, y), line, ink, face)
        y += size * 1.3


def text(rng: np.random.Generator) -> Image.Image:
    """A page of one to three paragraphs in sizes of 8 to 48 pixels."""
    paper, ink = paper_and_ink(rng)
    picture = Image.new("RGB", (SIDE, SIDE), paper)
    draw = ImageDraw.Draw(picture)
    cuts = [0, *sorted(rng.integers(100, 450, int(rng.integers(0, 3))).tolist()), SIDE]
    for top, bottom in pairwise(cuts):
        size = int(8 * 6 ** rng.random() ** 2)
        write(draw, rng, (12, top + 6, SIDE - 12, bottom), ink, size)
    return picture


def drawing(rng: np.random.Generator) -> Image.Image:
    """Lines, curves, ellipses and polygons, some of them filled."""
    paper, ink = paper_and_ink(rng)
    side = SIDE * FINE
    picture = Image.new("RGB", (side, side), paper)
    draw = ImageDraw.Draw(picture)
    for _ in range(int(rng.integers(8, 40))):
        width = int(FINE * rng.choice([1, 1, 2, 3, 5]))
        at = rng.integers(0, side, (4, 2))
        stroke = ink if rng.random() < 0.7 else color(rng)
        fill = color(rng) if rng.random() < 0.3 else None
        kind = rng.integers(5)
        if kind == 0:
            draw.line([tuple(p) for p in at[:2].tolist()], stroke, width)
        elif kind == 1:  # a Bezier curve
            t = np.linspace(0, 1, 80)[:, None]
            curve = (1 - t) ** 3 * at[0] + 3 * (1 - t) ** 2 * t * at[1] + 3 * (1 - t) * t**2 * at[2] + t**3 * at[3]
            draw.line([tuple(p) for p in curve.tolist()], stroke, width, "curve")
        elif kind in (2, 3):
            reach = rng.integers(20, side // 4, 2)
            box = [tuple((at[0] - reach).tolist()), tuple((at[0] + reach).tolist())]
            (draw.ellipse if kind == 2 else draw.rectangle)(box, fill, stroke, width)
        else:
            draw.polygon([tuple(p) for p in (at[0] + (at[1:] - at[0]) // 3).tolist()], fill, stroke, width)
    return picture.resize((SIDE, SIDE), Image.Resampling.BOX)


def flat(rng: np.random.Generator) -> Image.Image:
    """One color; white, black and middle grey often."""
    kind = rng.random()
    fixed = {0: (255, 255, 255), 1: (0, 0, 0), 2: (128, 128, 128)}
    return Image.new("RGB", (SIDE, SIDE), fixed[int(kind * 10)] if kind < 0.3 else color(rng))


def gradient(rng: np.random.Generator) -> Image.Image:
    """Two to four colors along a direction or around a point, rounded with random dither or without."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    if rng.random() < 0.6:
        angle = rng.uniform(0, 2 * np.pi)
        t = x * np.cos(angle) + y * np.sin(angle)
    else:
        cx, cy = rng.random(2)
        t = np.hypot(x - cx, y - cy)
    t = (t - t.min()) / (t.max() - t.min())
    stops = np.array([color(rng) for _ in range(int(rng.integers(2, 5)))], float)
    if rng.random() < 0.5:  # a narrow range, as skies have
        stops = stops[:1] + (stops - stops[:1]) * 0.15
    at = np.linspace(0, 1, len(stops))
    values = np.stack([np.interp(t, at, stops[:, c]) for c in range(3)], 2)
    noise = rng.random(values.shape) - 0.5 if rng.random() < 0.5 else 0.0
    return Image.fromarray(np.clip(np.round(values + noise), 0, 255).astype(np.uint8))


def page(rng: np.random.Generator) -> Image.Image:
    """A screen: bars, panels, buttons with words, a table or a chart."""
    paper, ink = paper_and_ink(rng)
    accent = color(rng)
    picture = Image.new("RGB", (SIDE, SIDE), paper)
    draw = ImageDraw.Draw(picture)
    bar = int(rng.integers(24, 60))
    draw.rectangle([0, 0, SIDE, bar], accent)
    write(draw, rng, (10, bar // 2 - 10, SIDE // 2, bar), paper, 14)
    side = int(rng.integers(90, 180))
    draw.rectangle([0, bar, side, SIDE], tuple((np.array(paper) * 0.9 + np.array(ink) * 0.1).astype(int).tolist()))
    write(draw, rng, (8, bar + 12, side - 8, SIDE), ink, int(rng.integers(10, 16)))
    top = bar + 12
    while top < SIDE - 60:
        height = int(rng.integers(40, 140))
        box = (side + 12, top, SIDE - 12, min(top + height, SIDE - 8))
        kind = rng.integers(4)
        if kind == 0:
            write(draw, rng, box, ink, int(rng.integers(9, 22)))
        elif kind == 1:
            left = box[0]
            while left + 70 < box[2]:
                draw.rounded_rectangle([left, top, left + 64, top + 24], 6, color(rng), ink)
                draw.text((left + 6, top + 5), words(rng, 1), ink, font(rng, 12))
                left += 74
        elif kind == 2:
            for row in range(top, box[3], 16):
                draw.line([box[0], row, box[2], row], ink)
            for column in range(box[0], box[2], 56):
                draw.line([column, top, column, box[3]], ink)
                draw.text((column + 4, top + 2), str(rng.integers(1000)), ink, font(rng, 10))
        else:
            values = np.cumsum(rng.normal(size=40))
            values = (values - values.min()) / np.ptp(values)
            xs = np.linspace(box[0], box[2], 40)
            draw.line([(a, box[3] - b * (box[3] - top)) for a, b in zip(xs, values, strict=True)], accent, 2)
            draw.rectangle(box, None, ink)
        top = box[3] + 14
    return picture


KINDS: tuple[tuple[Callable[[np.random.Generator], Image.Image], int], ...] = (
    (text, 6), (drawing, 4), (flat, 4), (gradient, 3), (page, 3),
)  # fmt: skip
"""What is drawn, and how often of twenty."""


def render(number: int, seed: int) -> Image.Image:
    """Picture `number` of a series."""
    order = [kind for kind, often in KINDS for _ in range(often)]
    return order[number * 7 % len(order)](np.random.default_rng((seed, number)))


def series(folder: Path, count: int, seed: int) -> None:
    """Draw the first `count` pictures of a series into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        render(number, seed).save(folder / f"render_{number:04d}.png", optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    chosen = parser.parse_args()
    series(chosen.folder, chosen.count, chosen.seed)


if __name__ == "__main__":
    main()
