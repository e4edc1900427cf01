"""What a codec reaches on the busiest part of photos, and of pictures that are none: the fidelity in its card.

    python -m benchmarks domain segpic photos-a.tar photos-b.tar photos-c.tar --each 60

Prints the lowest photos and the highest of the others, in dB. A threshold below all photos and above small text, lines
and noise goes into the card.
"""

from __future__ import annotations

import argparse
import io
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import codectk
from codectk.picture.read import read_picture
from codectk.pipeline import domain
from codectk.spec.fidelity import Fidelity

SIZE = (384, 256)
WORDS = "The quick brown fox jumps over the lazy dog while 1234567890 files wait. "
COLORS = (((0, 0, 0), (255, 255, 255)), ((230, 230, 230), (30, 30, 40)), ((200, 30, 30), (255, 250, 220)))


def photos(archive: Path, count: int) -> Iterator[tuple[str, np.ndarray]]:
    """So many pictures of an archive, evenly spread."""
    with tarfile.open(archive) as tar:
        members = [member for member in tar if member.name.lower().endswith((".png", ".jpg", ".jpeg", ".webp"))]
        for at in np.linspace(0, len(members) - 1, min(count, len(members))).astype(int):
            file = tar.extractfile(members[at])
            assert file is not None
            yield members[at].name, read_picture(io.BytesIO(file.read()).getvalue()).pixels


def others() -> Iterator[tuple[str, np.ndarray]]:
    """Checkerboards, noise, text and drawings."""
    draws = np.random.default_rng(0)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    for side in (1, 2, 8):
        checks = (255 * ((x // side + y // side) % 2)).astype(np.uint8)
        yield f"checkerboard of {side}", np.repeat(checks[..., None], 3, axis=2)
    yield "noise", draws.integers(0, 256, (*SIZE[::-1], 3)).astype(np.uint8)
    for size in (9, 12, 16, 24, 40):
        for ink, paper in COLORS:
            image = Image.new("RGB", SIZE, paper)
            for row in range(SIZE[1] // (size + 4)):
                at = (4 - 7 * row, 4 + row * (size + 4))
                ImageDraw.Draw(image).text(at, WORDS * 3, fill=ink, font=ImageFont.load_default(size))
            yield f"text of {size} pixels, {ink} on {paper}", np.asarray(image)
    for number in range(6):
        image = Image.new("RGB", SIZE, "white")
        draw = ImageDraw.Draw(image)
        for _ in range(30):
            (x0, y0), (x1, y1) = (tuple(int(v) for v in draws.integers(0, SIZE)) for _ in range(2))
            ink = tuple(int(v) for v in draws.integers(0, 256, 3))
            if number < 3:
                draw.line((x0, y0, x1, y1), fill=ink, width=int(draws.integers(1, 4)))
            else:
                draw.ellipse((min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)), fill=ink)
        yield f"{'lines' if number < 3 else 'ellipses'} {number}", np.asarray(image)


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("codec")
    parser.add_argument("archives", nargs="*", type=Path)
    parser.add_argument("--each", type=int, default=60, help="photos of each archive")


def main(a: argparse.Namespace) -> None:
    codec = codectk.load(a.codec)
    knobs = {name: value for name, value in (("quality", 100.0), ("realism", 0.0)) if name in codec.card.knobs}
    codec = replace(codec, card=replace(codec.card, fidelity=Fidelity(0.0, knobs, "")))
    for title, pictures in (
        ("photos", (pair for archive in a.archives for pair in photos(archive, a.each))),
        ("others", others()),
    ):
        rows = []
        for name, pixels in pictures:
            square, busy = domain.busiest(pixels)
            rows.append((domain.psnr_of(codec, square), busy, name))
        print(f"{title}: {len(rows)}, tried {sum(busy >= domain.BUSY for _, busy, _ in rows)}")
        for reached, busy, name in sorted(rows)[: 12 if title == "photos" else None]:
            print(f"  {reached:6.2f} dB  edges {busy:6.1f}  {name}")
