"""For ablation.py: what a run's network does to squares cut from pictures."""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from rich.console import Console
from rich.progress import track

from codectk.base.atomic import atomic_write
from codectk.base.plain import to_json
from codectk.base.types import Context, Picture
from codectk.eval.curves import Point, Row
from codectk.eval.provenance import picture_digest, set_digest
from codectk.nn.coders import Meter
from codectk.nn.linear import LinearAnalysis
from codectk.picture.convert import to_float, to_uint8
from codectk.pipeline.encode import Encoding
from codectk.pipeline.load import load
from codectk.pipeline.program import code, finish, prepare, synthesize
from codectk.spec.stages import Stages
from codectk.train.checkpoint import load_checkpoint
from codectk.train.exporting import export
from codectk.train.settings import from_dict
from codectk_segpic.network import build

QUALITIES = (0.0, 25.0, 50.0, 75.0, 100.0)
GRID = 1
"""One region per tile of 128 is about the area that a region of the default grid has in a picture of 768x512."""
PROTOTYPES = ("p_mid", "p_deep")
UNUSED = {"rat": PROTOTYPES, "prototypes": PROTOTYPES}
"""What a network without a part still codes although nothing depends on it; a codec without the part would not."""


def cut(pixels: np.ndarray, side: int) -> np.ndarray:
    """Squares that do not overlap: uint8 (H, W, 3) -> (N, side, side, 3); what is left at the ends is not used."""
    rows, columns = pixels.shape[0] // side, pixels.shape[1] // side
    grid = pixels[: rows * side, : columns * side].reshape(rows, side, columns, side, 3)
    return np.ascontiguousarray(grid.swapaxes(1, 2)).reshape(-1, side, side, 3)


def network_of(checkpoint: Path) -> Stages:
    """The codec with the averaged weights of a checkpoint."""
    state = load_checkpoint(checkpoint)
    network = build(from_dict(state["recipe"]).codec.options)
    network.load_state_dict(state["ema"]["values"])
    return network.eval().codec()


class Passed(NamedTuple):
    """Squares, coded at one quality.

    Attributes:
        quality: the knob.
        bits: float (N,), of rounded latents, without a file's overhead.
        by_label: their mean by prior.
        decoded: uint8 (N, side, side, 3).
    """

    quality: float
    bits: np.ndarray
    by_label: dict[str, float]
    decoded: np.ndarray


@torch.inference_mode()
def passes(codec: Stages, squares: np.ndarray, qualities: Sequence[float]) -> Iterator[Passed]:
    """Code squares, uint8 (N, side, side, 3), at several qualities."""
    side = squares.shape[1]
    x = torch.cat([codec.backend.from_pixels(to_float(square)) for square in squares])
    prepared = prepare(codec, x, Context(side, side, {"grid": GRID}))
    for quality in qualities:
        ctx, meter = Context(side, side, {"quality": quality, "grid": GRID}), Meter()
        out = synthesize(codec, code(codec, meter, finish(codec, prepared, ctx), ctx), ctx)
        decoded = np.stack([to_uint8(codec.backend.to_pixels(one[None])) for one in out])
        yield Passed(quality, np.asarray(meter.bits), meter.by_label, decoded)


class Measured(NamedTuple):
    """Rows of one run with two ideas of distortion.

    Attributes:
        carried: PSNR of the errors' part in the span of the linear path: the frequencies that latents can carry.
        whole: PSNR of the pixels.
    """

    carried: list[Row]
    whole: list[Row]


def measure(folder: Path, part: str, pictures: Mapping[str, Picture], side: int, every: int = 1) -> Measured:
    """Measurements of one run, from its folder where they were made on these pictures before.

    A picture's rate is the mean over its tiles, its PSNR that of the mean squared error over its tiles.

    Args:
        folder: with the run's checkpoint.
        part: what it was trained without, or any other word.
        pictures: by name.
        side: of the tiles.
        every: take one tile out of so many.
    """
    checkpoint, store = folder / "checkpoint.pt", folder / f"tiles-{side}.json"
    stamp = {
        "checkpoint": hashlib.sha256(checkpoint.read_bytes()).hexdigest(),
        "pictures": set_digest(picture_digest(p.pixels) for p in pictures.values()),
        "qualities": list(QUALITIES),
        "grid": GRID,
        "every": every,
    }
    if store.exists():
        kept = json.loads(store.read_text(encoding="utf-8"))
        if kept["stamp"] == stamp:
            return _measured(folder.name, kept["rows"])
    codec = network_of(checkpoint)
    span = LinearAnalysis(codec.analysis.linear.conv.out_channels)  # type: ignore[attr-defined]
    rows = []
    for image in track(pictures, f"measuring {folder.name}", console=Console(stderr=True), transient=True):
        squares = cut(pictures[image].pixels, side)[::every]
        for one in passes(codec, squares, QUALITIES):
            unused = len(squares) * sum(one.by_label[label] for label in UNUSED.get(part, ()))
            error = squares.astype(np.float32) - one.decoded
            with torch.inference_mode():  # an orthonormal transform: squares of coefficients are squares of errors
                carried = span(torch.from_numpy(error).permute(0, 3, 1, 2)).square().sum() / error.size
            bpp = (float(one.bits.sum()) - unused) / squares[..., 0].size
            rows.append((image, one.quality, bpp, float(carried), float(np.square(error).mean())))
    with atomic_write(store) as file:
        file.write(to_json({"stamp": stamp, "rows": rows}, indent=None).encode())
    return _measured(folder.name, rows)


def _measured(name: str, rows: Sequence[Sequence[Any]]) -> Measured:
    def table(error: int) -> list[Row]:
        return [_row(name, row[0], f"q{row[1]:g}", row[2], 10 * math.log10(255**2 / row[error])) for row in rows]

    return Measured(table(3), table(4))


def _row(name: str, image: str, setting: str, bpp: float, psnr: float) -> Row:
    # There is no file; curves do not look at `bytes`.
    return Row(name, setting, image, 0, Point(bpp, psnr, None, setting))


class FileCheck(NamedTuple):
    """A real file of one tile at one quality.

    Attributes:
        measured: bytes, as `measure` has them: of the weights as trained.
        estimated: the same of the weights as stored (transforms in eight bits), by the coder's tables.
        file: bytes of the complete file with these weights.
    """

    measured: float
    estimated: float
    file: int


def check_files(checkpoint: Path, pictures: Mapping[str, Picture], side: int, count: int) -> Iterator[FileCheck]:
    """Export a run and make real files of the first tiles of `count` pictures, at three qualities each."""
    codec = network_of(checkpoint)
    chosen = list(pictures.values())[:: max(1, len(pictures) // count)][:count]
    with tempfile.TemporaryDirectory(prefix="ablation-") as folder:
        weights = export(checkpoint, Path(folder) / "run.safetensors").path
        ready = load("segpic", weights=weights)
        for picture in chosen:
            square = cut(picture.pixels, side)[:1]
            for one in passes(codec, square, QUALITIES[::2]):
                encoding = Encoding(ready, Picture(square[0]), {"quality": one.quality, "grid": GRID})
                yield FileCheck(float(one.bits[0]) / 8, encoding.bits() / 8, len(encoding.file()))
