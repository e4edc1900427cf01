"""What an encoder tells of a picture that another codec would suit better."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from codectk.base.types import Context, Picture
from codectk.coding.coder import Meter
from codectk.picture.convert import to_float, to_uint8
from codectk.picture.pad import crop, pad
from codectk.picture.write import to_pil
from codectk.pipeline import program
from codectk.plugins import discover

if TYPE_CHECKING:
    from codectk.pipeline.codec import Codec

SIDE = 128
"""Side in pixels of the square that is looked at."""

STEP = 16
"""Distance in pixels of the squares that are compared."""

BUSY = 45.0
"""Mean absolute Laplacian in grey levels from which on a square is worth a try: four of five photos stay below."""

STRIP = 32
"""Rows of a picture that tell whether its PNG can be small."""

FEW_COLORS = 4096
"""Most colors that are few, and at most one in eight pixels."""


def unlike_training(codec: Codec, pixels: np.ndarray) -> str | None:
    """Why a picture is not of the kind that the codec's weights were trained on; None if it is, or nobody can tell.

    What such weights cannot paint they paint badly at any rate. So the busiest square of the picture is coded at the
    best that they can do (`spec.fidelity`) and compared with what photos come to. Pictures without such a square,
    most photos among them, cost next to nothing.

    Args:
        codec: any; its card says what its weights reach.
        pixels: uint8 (H, W, 3).
    """
    fidelity = codec.card.fidelity
    if fidelity is None:
        return None
    square, busy = busiest(pixels)
    if busy < BUSY or (reached := psnr_of(codec, square)) >= fidelity.least:
        return None
    return (
        f"This does not look like the {codec.card.domain} pictures that codec '{codec.name}' was trained on: its "
        f"busiest part comes back with {reached:.1f} dB at best, where theirs have {fidelity.least:g} and more. "
        f"{_better(pixels)}"
    )


def lossless_is_smaller(picture: Picture, size: int) -> str | None:
    """Say so if a PNG of the picture has fewer bytes than a file of `size` bytes, else None.

    A PNG of some rows tells of most pictures that it cannot.
    """
    rows = (
        slice((picture.height - STRIP) // 2, (picture.height + STRIP) // 2) if picture.height > STRIP else slice(None)
    )
    alpha = None if picture.alpha is None else picture.alpha[rows]
    strip = Picture(picture.pixels[rows], alpha=alpha, grey=picture.grey)
    if _png_bytes(strip) >= size:
        return None
    whole = _png_bytes(picture)
    if whole >= size:
        return None
    return f"A lossless PNG of this picture has {whole:,} bytes, fewer than the {size:,} of this file."


def busiest(pixels: np.ndarray) -> tuple[np.ndarray, float]:
    """The square with the strongest edges, uint8 (<= SIDE, <= SIDE, 3), and its mean absolute Laplacian."""
    grey = pixels.mean(axis=2, dtype=np.float32)
    edges = np.zeros_like(grey)
    edges[1:-1, 1:-1] = np.abs(
        4 * grey[1:-1, 1:-1] - grey[:-2, 1:-1] - grey[2:, 1:-1] - grey[1:-1, :-2] - grey[1:-1, 2:]
    )
    height, width = min(SIDE, grey.shape[0]), min(SIDE, grey.shape[1])
    sums = np.pad(edges.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    top = np.arange(0, grey.shape[0] - height + 1, STEP)[:, None]
    left = np.arange(0, grey.shape[1] - width + 1, STEP)[None]
    within = sums[top + height, left + width] - sums[top, left + width] - sums[top + height, left] + sums[top, left]
    row, column = np.unravel_index(int(within.argmax()), within.shape)
    y, x = int(top[row, 0]), int(left[0, column])
    return pixels[y : y + height, x : x + width], float(within[row, column]) / (height * width)


def psnr_of(codec: Codec, pixels: np.ndarray) -> float:
    """PSNR in dB of pixels, uint8 (H, W, 3), coded with the knobs of the card's fidelity."""
    stages, fidelity = codec.stages, codec.card.fidelity
    assert fidelity is not None
    knobs = {name: knob.default for name, knob in codec.card.knobs.items()} | dict(fidelity.knobs)
    padded = pad(to_float(pixels), stages.stride)
    with stages.backend.guard():
        x = stages.backend.from_pixels(padded)
        made = program.forward(stages, x, Meter(), Context(padded.shape[0], padded.shape[1], knobs))
        painted = to_uint8(crop(stages.backend.to_pixels(made.x), *pixels.shape[:2]))
    error = float(np.square(painted.astype(np.float64) - pixels).mean())
    return 10 * float(np.log10(255**2 / max(error, 1e-3)))


def _better(pixels: np.ndarray) -> str:
    """What to use instead."""
    packed = pixels.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    if len(np.unique(packed)) > min(FEW_COLORS, packed.size // 8):
        return "A classical codec, such as AVIF, or a lossless one may do better."
    cards = [card for record in discover.discover() if record.card for card in record.card.codecs]
    installed = [card.name for card in cards if card.domain == "graphics"]
    which = f"codec '{installed[0]}'" if installed else "codec 'palette' (codectk-palette)"
    return f"It has few colors: {which} keeps them all, or a PNG."


def _png_bytes(picture: Picture) -> int:
    file = io.BytesIO()
    to_pil(picture).save(file, "PNG", compress_level=6)
    return file.tell()
