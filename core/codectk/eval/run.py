"""Measuring codecs on pictures: files are written, read back and compared with their source."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codectk.base.atomic import atomic_write
from codectk.base.errors import UsageError
from codectk.base.progress import Progress, silent
from codectk.base.types import Picture
from codectk.eval.codecs import FileCodec
from codectk.eval.curves import Point, Row
from codectk.eval.metrics import MS_SSIM_MIN_SIDE, Pixels, ms_ssim, psnr
from codectk.eval.pictures import Source
from codectk.eval.probe import Probe
from codectk.picture.read import read_picture
from codectk.picture.write import write_picture

_GAP_SHARE, _GAP_BYTES = 0.01, 64


@dataclass(frozen=True)
class Times:
    """Seconds of one direction.

    Attributes:
        network: all but the two below: networks, padding, color conversion, the container.
        coder: inside the entropy coder; None where it could not be watched (it is then part of `network`).
        file: reading and writing files, the picture's own PNG included.
    """

    network: float
    coder: float | None
    file: float

    @property
    def total(self) -> float:
        return self.network + (self.coder or 0.0) + self.file


@dataclass(frozen=True)
class Measurement:
    """One picture at one quality of one codec.

    Attributes:
        codec, image, quality: what was measured.
        width, height: pixels.
        bytes: size of the complete file.
        psnr: dB, RGB, 8 bit; infinity for no loss.
        ms_ssim: 0..1, or None for a picture with a side below 161 pixels.
        estimated_bits: of the latents, by the probability model; None where it could not be watched.
        payload_bytes: what the latents really took; None likewise.
        overhead_bytes: all other bytes of the file; None likewise.
        encode, decode: seconds.
    """

    codec: str
    image: str
    quality: float
    width: int
    height: int
    bytes: int
    psnr: float
    ms_ssim: float | None
    estimated_bits: float | None
    payload_bytes: int | None
    overhead_bytes: int | None
    encode: Times
    decode: Times

    @property
    def bpp(self) -> float:
        """Bits of the complete file per pixel of the picture."""
        return self.bytes * 8 / (self.width * self.height)

    @property
    def setting(self) -> str:
        return f"q{self.quality:g}"

    @property
    def stem(self) -> str:
        """Name of its files without extension."""
        return f"{self.image}-{self.setting}"

    @property
    def gap_bytes(self) -> float | None:
        """Payload beyond the estimate, in bytes."""
        if self.estimated_bits is None or self.payload_bytes is None:
            return None
        return self.payload_bytes - self.estimated_bits / 8

    @property
    def honest(self) -> bool:
        """False if real and estimated bits are more than 1 % + 64 bytes apart."""
        gap = self.gap_bytes
        return gap is None or abs(gap) <= _GAP_SHARE * (self.estimated_bits or 0.0) / 8 + _GAP_BYTES

    def row(self) -> Row:
        """The same for curves and tables."""
        return Row(
            self.codec, self.setting, self.image, self.bytes, Point(self.bpp, self.psnr, self.ms_ssim, self.setting)
        )


def evaluate(
    codec: FileCodec,
    sources: Sequence[Source],
    qualities: Sequence[float],
    folder: Path,
    *,
    progress: Progress = silent,
) -> list[Measurement]:
    """Measure a codec on every picture at every quality.

    A crop of the first picture is coded once beforehand, so that loading of plugins and weights is in no time.

    Args:
        codec: what to measure.
        sources: pictures.
        qualities: settings of its rate knob.
        folder: existing folder for its files, `IMAGE-qQ` with the codec's suffix and `.png`.
        progress: told after each file.

    Returns:
        Measurements, picture by picture, in the order of `qualities`.

    Raises:
        UsageError: no pictures, no qualities, or one quality twice.
        CodectkError: as encoding and decoding do.
    """
    if not sources or not qualities or len(set(qualities)) != len(qualities):
        raise UsageError("An evaluation needs pictures and at least one quality, each quality once.")
    warmup = np.ascontiguousarray(sources[0].pixels[:256, :256])
    codec.decode(codec.encode(Picture(warmup), qualities[0]))
    measurements: list[Measurement] = []
    for source in sources:
        for quality in qualities:
            measurements.append(_measure(codec, source, quality, folder))
            last = measurements[-1]
            progress(
                len(measurements),
                len(sources) * len(qualities),
                codec=codec.name,
                picture=source.name,
                setting=last.setting,
                bpp=last.bpp,
                psnr=last.psnr,
            )
    return measurements


def _measure(codec: FileCodec, source: Source, quality: float, folder: Path) -> Measurement:
    stem = f"{source.name}-q{quality:g}"
    clock = _Clock()
    data = codec.encode(source.picture, quality)
    encode_s = clock.lap()
    with atomic_write(folder / f"{stem}{codec.suffix}") as file:
        file.write(data)
    write_s = clock.lap()
    data = (folder / f"{stem}{codec.suffix}").read_bytes()
    read_s = clock.lap()
    pixels = codec.decode(data)
    decode_s = clock.lap()
    write_picture(folder / f"{stem}.png", Picture(pixels))
    save_s = clock.lap()
    watched = codec.probe(data)
    shown = read_picture(folder / f"{stem}.png").pixels
    height, width = shown.shape[:2]
    return Measurement(
        codec=codec.name,
        image=source.name,
        quality=quality,
        width=width,
        height=height,
        bytes=len(data),
        psnr=psnr(source.pixels, shown),
        ms_ssim=_ms_ssim(source.pixels, shown),
        estimated_bits=watched.estimated_bits if watched else None,
        payload_bytes=watched.payload_bytes if watched else None,
        overhead_bytes=watched.overhead_bytes if watched else None,
        encode=_times(encode_s, watched, "encode_s", source.read_s + write_s),
        decode=_times(decode_s, watched, "decode_s", read_s + save_s),
    )


def _times(total: float, watched: Probe | None, part: str, file: float) -> Times:
    if watched is None:
        return Times(total, None, file)
    # Coder and whole were timed in two runs: on a busy machine the part may look larger than the whole.
    coder = min(float(getattr(watched, part)), total)
    return Times(total - coder, coder, file)


def _ms_ssim(reference: Pixels, picture: Pixels) -> float | None:
    return ms_ssim(reference, picture) if min(reference.shape[:2]) >= MS_SSIM_MIN_SIDE else None


class _Clock:
    """Seconds between calls."""

    def __init__(self) -> None:
        self._last = time.perf_counter()

    def lap(self) -> float:
        now = time.perf_counter()
        taken, self._last = now - self._last, now
        return taken
