"""Plain dataclasses that cross room borders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Picture:
    """Pixels plus what the file said about them, upright and in sRGB unless `icc` is set.

    Attributes:
        pixels: uint8 (H, W, 3), RGB; grey pictures carry three equal channels.
        alpha: uint8 (H, W), 255 opaque, or None.
        grey: True if the source had one luminance channel; decoding gives one back.
        icc: ICC profile the pixels are in, or None for sRGB.
        exif, xmp: metadata of the source that shall be kept, a TIFF structure and an XMP packet, both of an upright
            picture; or None.
        deep: float32 (H, W, 3) in [0, 1]: the same pixels with all bits of a source that has more than 8, else None.
            What encodes a picture takes these; whatever changes `pixels` leaves them out.
        notes: sentences for the user about what was changed on reading (profile converted, tag dropped).
    """

    pixels: np.ndarray
    alpha: np.ndarray | None = None
    grey: bool = False
    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    deep: np.ndarray | None = field(default=None, compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def height(self) -> int:
        return int(self.pixels.shape[0])

    @property
    def width(self) -> int:
        return int(self.pixels.shape[1])


@dataclass(frozen=True)
class Context:
    """What both ends know before the first symbol is coded.

    Attributes:
        height, width: size in pixels after padding to the codec's stride.
        knobs: resolved knob values by name; encoder-side knobs that the file does not carry
            (see `spec.card.Knob.coded`) are absent at the decoder.
        edits: amounts by name of the edits that the file carries (`spec.edits`), for the synthesis. Always empty
            where latents are made or coded, so that they cannot depend on it.
    """

    height: int
    width: int
    knobs: Mapping[str, float | int] = field(default_factory=dict)
    edits: Mapping[str, float] = field(default_factory=dict)
