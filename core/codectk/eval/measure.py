"""Measuring codecs on pictures: files are written, read back and compared with their source."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from codectk.base.atomic import atomic_write
from codectk.base.errors import UsageError
from codectk.base.progress import Progress, silent
from codectk.base.types import Picture
from codectk.eval.codecs import FileCodec
from codectk.eval.curves import Point, Row
from codectk.eval.pictures import Source
from codectk.eval.probe import Probe
from codectk.metrics.ms_ssim import MS_SSIM_MIN_SIDE, ms_ssim
from codectk.metrics.psnr import Pixels, psnr
from codectk.picture.read import read_picture
from codectk.picture.write import write_picture

_GAP_SHARE, _GAP_BYTES = 0.01, 64


def setting_name(quality: float | None, point: str) -> str:
    """What one setting of a codec is called: by the value of its rate knob, or, without one, as the codec says."""
    return point if quality is None else f"q{quality:g}"


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
    """One picture at one quality of one codec, decoded in one way.

    Attributes:
        codec, image: what was measured; `codec` names the decoder's setting too where there are several.
        quality: value of the rate knob, or None for a codec without one.
        width, height: pixels.
        bytes: size of the complete file.
        psnr: dB, RGB, 8 bit; infinity for no loss.
        ms_ssim: 0..1, or None for a picture with a side below 161 pixels.
        estimated_bits: of the latents, by the probability model; None where it could not be watched.
        payload_bytes: what the latents really took; None likewise.
        overhead_bytes: all other bytes of the file; None likewise.
        encode, decode: seconds.
        coded_by: name of the codec that made the file where `codec` only decodes it with another setting, else "".
        scores: values of further metrics by label; None for a picture that is too small.
        point: what the codec's only setting is called where `quality` is None.
    """

    codec: str
    image: str
    quality: float | None
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
    coded_by: str = ""
    scores: Mapping[str, float | None] = field(default_factory=dict)
    point: str = ""

    @property
    def bpp(self) -> float:
        """Bits of the complete file per pixel of the picture."""
        return self.bytes * 8 / (self.width * self.height)

    @property
    def setting(self) -> str:
        """Name of the point on the codec's curve."""
        return setting_name(self.quality, self.point)

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
        scores = {label: value for label, value in self.scores.items() if value is not None}
        point = Point(self.bpp, self.psnr, self.ms_ssim, self.setting, scores)
        return Row(self.codec, self.setting, self.image, self.bytes, point)

    def coded_file(self, folder: Path, suffix: str) -> Path:
        """Its file in the folder of an evaluation; `suffix` is the codec's."""
        return folder / (self.coded_by or self.codec) / f"{self.stem}{suffix}"

    def decoded_file(self, folder: Path) -> Path:
        """Its decoded picture in the folder of an evaluation."""
        return folder / self.codec / f"{self.stem}.png"


def evaluate(
    codec: FileCodec,
    sources: Sequence[Source],
    qualities: Sequence[float | None],
    folder: Path,
    *,
    decoders: Sequence[FileCodec] = (),
    progress: Progress = silent,
) -> list[Measurement]:
    """Measure a codec on every picture at every quality.

    A crop of the first picture is coded once beforehand, so that loading of plugins and weights is in no time.

    Args:
        codec: what to measure.
        sources: pictures.
        qualities: settings of its rate knob; only None for a codec without one.
        folder: existing folder; the files `IMAGE-SETTING` with the codec's suffix come into a folder of it with the
            codec's name, and decoded pictures `IMAGE-SETTING.png` into one with the name of what decoded them.
        decoders: what decodes each file, such as the codec at several settings of a decoder-side knob, each under a
            name of its own; none means the codec itself.
        progress: told after each decoded picture.

    Returns:
        Measurements, picture by picture, in the order of `qualities`, and of `decoders` within.

    Raises:
        UsageError: no pictures, no qualities, or one quality twice.
        CodectkError: as encoding and decoding do.
    """
    if not sources or not qualities or len(set(qualities)) != len(qualities):
        raise UsageError("An evaluation needs pictures and at least one quality, each quality once.")
    decoders = decoders or (codec,)
    for name in (codec.name, *(d.name for d in decoders)):
        (folder / name).mkdir(exist_ok=True)
    data = codec.encode(Picture(np.ascontiguousarray(sources[0].pixels[:256, :256])), qualities[0])
    for decoder in decoders:
        decoder.decode(data)
    measurements: list[Measurement] = []
    for source in sources:
        for quality in qualities:
            coded = _encode(codec, source, quality, folder)
            for decoder in decoders:
                last = _decode(codec, decoder, source, coded, folder)
                measurements.append(last)
                progress(
                    len(measurements),
                    len(sources) * len(qualities) * len(decoders),
                    codec=last.codec,
                    picture=source.name,
                    setting=last.setting,
                    bpp=last.bpp,
                    psnr=last.psnr,
                )
    return measurements


@dataclass(frozen=True)
class _Coded:
    """A written file and what it cost."""

    quality: float | None
    path: Path
    bytes: int
    watched: Probe | None
    times: Times


def _encode(codec: FileCodec, source: Source, quality: float | None, folder: Path) -> _Coded:
    path = folder / codec.name / f"{source.name}-{setting_name(quality, codec.point)}{codec.suffix}"
    clock = _Clock()
    data = codec.encode(source.picture, quality)
    encode_s = clock.lap()
    with atomic_write(path) as file:
        file.write(data)
    write_s = clock.lap()
    watched = codec.probe(data)
    return _Coded(quality, path, len(data), watched, _times(encode_s, watched, "encode_s", source.read_s + write_s))


def _decode(codec: FileCodec, decoder: FileCodec, source: Source, coded: _Coded, folder: Path) -> Measurement:
    picture = folder / decoder.name / f"{source.name}-{setting_name(coded.quality, codec.point)}.png"
    clock = _Clock()
    data = coded.path.read_bytes()
    read_s = clock.lap()
    pixels = decoder.decode(data)
    decode_s = clock.lap()
    write_picture(picture, Picture(pixels))
    save_s = clock.lap()
    shown = read_picture(picture).pixels
    height, width = shown.shape[:2]
    watched = coded.watched
    return Measurement(
        codec=decoder.name,
        image=source.name,
        quality=coded.quality,
        width=width,
        height=height,
        bytes=coded.bytes,
        psnr=psnr(source.pixels, shown),
        ms_ssim=_ms_ssim(source.pixels, shown),
        estimated_bits=watched.estimated_bits if watched else None,
        payload_bytes=watched.payload_bytes if watched else None,
        overhead_bytes=watched.overhead_bytes if watched else None,
        encode=coded.times,
        decode=_times(decode_s, watched, "decode_s", read_s + save_s),
        coded_by="" if decoder.name == codec.name else codec.name,
        point=codec.point,
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
