"""Cut a turned square out of a picture, also where the square leaves it."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageFilter

from codectk.base.errors import InputError
from codectk_hsc.align.geometry import Frame

MARGIN = 3
"""Pixels beyond the square that bicubic interpolation may look at."""

BLUR = 0.02
"""Standard deviation of the blur outside the picture, in sides of the square, as FFHQ has it."""

FADE = 0.3
"""How far outside the picture everything has become one color, in sides of the square, at the least."""


def cut(pixels: np.ndarray, frame: Frame, size: int) -> np.ndarray:
    """Cut a square out of a picture.

    A picture that has more pixels than wanted is first reduced (Lanczos), so nothing aliases. Where the square leaves
    the picture it shows the picture's mirror image, more and more blurred and fading to the median color, as in FFHQ;
    pixels inside the picture stay as they are.

    Args:
        pixels: uint8 (H, W, 3).
        frame: the square.
        size: side in pixels of what is returned.

    Returns:
        uint8 (size, size, 3).

    Raises:
        InputError: square and picture have nothing in common.
    """
    corners = frame.to_picture(np.array([(0, 0), (1, 0), (1, 1), (0, 1)]))
    margin = MARGIN * max(1.0, frame.side / size)
    shape = np.array(pixels.shape[1::-1])
    low = np.clip(np.floor(corners.min(0) - margin), 0, shape).astype(int)
    high = np.clip(np.ceil(corners.max(0) + margin), 0, shape).astype(int)
    if not (low < high).all():
        raise InputError("The face's frame lies outside the picture.")
    region = Image.fromarray(np.ascontiguousarray(pixels[low[1] : high[1], low[0] : high[0]]))
    scale = np.ones(2)
    if frame.side > size:
        reduced = np.maximum(1, np.round((high - low) * (size / frame.side))).astype(int)
        scale = reduced / (high - low)
        region = region.resize((int(reduced[0]), int(reduced[1])), Image.Resampling.LANCZOS)
    inner = np.asarray(region)
    corners = (corners - low) * scale
    before = np.maximum(0, np.ceil(MARGIN - corners.min(0))).astype(int) * (low == 0)
    after = np.maximum(0, np.ceil(corners.max(0) + MARGIN - inner.shape[1::-1])).astype(int) * (high == shape)
    outer = _surrounded(inner, before, after, min(frame.side, size))
    edges = scale[:, None] * frame.axes / size
    start = corners[0] + before
    matrix = (edges[0, 0], edges[0, 1], start[0], edges[1, 0], edges[1, 1], start[1])
    square = Image.fromarray(outer).transform((size, size), Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
    return np.asarray(square)


def _surrounded(inner: np.ndarray, before: np.ndarray, after: np.ndarray, side: float) -> np.ndarray:
    """A picture with its blurred mirror image around it.

    Args:
        inner: uint8 (h, w, 3).
        before: pixels to add left and above.
        after: pixels to add right and below.
        side: of the square that will be cut, in pixels.
    """
    if not (before.any() or after.any()):
        return inner
    sides = tuple(zip(before[::-1].tolist(), after[::-1].tolist(), strict=True))
    mirrored = np.pad(inner, (*sides, (0, 0)), mode="symmetric")
    depths = [
        _outside(first + length + last, first, last) / max(first, last, FADE * side)
        for length, (first, last) in zip(inner.shape[:2], sides, strict=True)
    ]
    depth = np.maximum(depths[0][:, None], depths[1])[..., None]
    blurred = np.asarray(Image.fromarray(mirrored).filter(ImageFilter.GaussianBlur(BLUR * side)), np.float32)
    result = mirrored + (blurred - mirrored) * np.clip(3 * depth, 0, 1)
    result += (np.median(mirrored, axis=(0, 1)) - result) * np.clip(depth, 0, 1)
    return np.asarray(np.clip(np.rint(result), 0, 255), np.uint8)


def _outside(length: int, first: int, last: int) -> np.ndarray:
    """How far each of `length` pixels is outside, if the first and last ones are: float32 (length,)."""
    place = np.arange(length, dtype=np.float32)
    return np.maximum(0, np.maximum(first - place, place - (length - 1 - last)))
