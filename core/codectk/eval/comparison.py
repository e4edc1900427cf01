"""Pictures by several codecs at equal bytes, measured: what a comparison page shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from PIL import Image

from codectk import api
from codectk.base.errors import TargetError, UsageError
from codectk.base.progress import Progress, silent
from codectk.eval.classical import REFERENCES, Reference, decode, encode_at_size, identity
from codectk.eval.pictures import Source
from codectk.eval.side_by_side import Panel, detail_box, side_by_side
from codectk.metrics.ms_ssim import MS_SSIM_MIN_SIDE, ms_ssim
from codectk.metrics.psnr import Pixels, psnr
from codectk.metrics.ssimulacra2 import Ssimulacra2
from codectk.pipeline.codec import Codec
from codectk.pipeline.load import load
from codectk.spec.metrics import PictureMetric, label

NEAR = 0.05
"""Share of the wanted bytes by which a file may miss them without a word."""


@dataclass(frozen=True)
class Score:
    """A number under each picture.

    Attributes:
        label: its name and unit.
        digits: after the point.
        lower_is_better: its direction.
        measure: (original, decoded) to the number, or None where the picture is too small.
    """

    label: str
    digits: int
    lower_is_better: bool
    measure: Callable[[Pixels, Pixels], float | None]


@dataclass(frozen=True)
class Shown:
    """One picture by one codec at one size.

    Attributes:
        codec: name.
        wanted: bytes asked for.
        setting: what made the file, such as "quality 31.5".
        bytes: of the complete file.
        bpp: bits of it per pixel.
        scores: by label.
        pixels: decoded, uint8 (H, W, 3) RGB.
        note: a sentence where the size was out of reach, or "".
    """

    codec: str
    wanted: int
    setting: str
    bytes: int
    bpp: float
    scores: Mapping[str, float | None]
    pixels: Pixels
    note: str


class Contender(Protocol):
    """A codec that makes files of a wanted size."""

    @property
    def name(self) -> str:
        """For buttons and tables."""
        ...

    def at_size(self, source: Source, size: int) -> tuple[bytes, str]:
        """A file of about `size` bytes, or as near as the codec comes, and the setting that made it."""
        ...

    def decode(self, data: bytes) -> Pixels:
        """The picture of a file."""
        ...

    def identity(self) -> Mapping[str, str]:
        """Versions and weights."""
        ...


@dataclass(frozen=True)
class Learned:
    """A codectk codec.

    Attributes:
        codec: it.
        knobs: values by name; each goes to the side that turns it.
    """

    codec: Codec
    knobs: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.codec.name

    def at_size(self, source: Source, size: int) -> tuple[bytes, str]:
        knobs, rate = self._side("encoder"), self.codec.card.rate_knob
        encode = _encoder(self.codec, source, knobs)
        if rate is None:
            return encode(), "its only size"
        try:
            data = encode(target_bytes=size)
        except TargetError:
            smallest = encode(**{rate.name: rate.minimum})
            data = smallest if len(smallest) >= size else encode(**{rate.name: rate.maximum})
        return data, f"{rate.name} {api.info(data).knobs[rate.name]:.4g}"

    def decode(self, data: bytes) -> Pixels:
        return self.codec.decode_picture(data, **self._side("decoder")).pixels

    def identity(self) -> Mapping[str, str]:
        knobs = {f"knob:{name}": str(value) for name, value in self.knobs.items()}
        weights = {"weights_sha256": self.codec.stages.weights_hash}
        return {"codec": self.name, "distribution": self.codec.distribution, **weights, **knobs}

    def _side(self, side: str) -> dict[str, Any]:
        return {name: value for name, value in self.knobs.items() if self.codec.card.knobs[name].side == side}


@dataclass(frozen=True)
class Classical:
    """A reference encoder: the lowest quality that has at least the wanted bytes."""

    reference: Reference

    @property
    def name(self) -> str:
        return self.reference.id

    def at_size(self, source: Source, size: int) -> tuple[bytes, str]:
        made = encode_at_size(self.reference, source.pixels, size)
        return made.data, f"quality {made.quality}"

    def decode(self, data: bytes) -> Pixels:
        return decode(data)

    def identity(self) -> Mapping[str, str]:
        return identity(self.reference.id)


def contenders(names: Sequence[str], device: str, knobs: Mapping[str, Any]) -> list[Contender]:
    """Codecs by name.

    Args:
        names: reference encoders, codecs, or bundles.
        device: where networks run.
        knobs: values for those codecs that have them.

    Raises:
        UsageError: no codec, one twice, or a knob that none has.
        PluginError, WeightsError: as loading does.
    """
    made: list[Contender] = []
    for name in names:
        if name in REFERENCES:
            made.append(Classical(REFERENCES[name]))
        else:
            codec = load(name, device=device)
            made.append(Learned(codec, {k: v for k, v in knobs.items() if k in codec.card.knobs}))
    taken = [one.name for one in made]
    if not taken or len(set(taken)) < len(taken):
        raise UsageError("A comparison needs codecs, each once.")
    for knob in knobs:
        if not any(isinstance(one, Learned) and knob in one.knobs for one in made):
            raise UsageError(f"No codec of this comparison has a knob '{knob}'.")
    return made


def scores(more: Sequence[PictureMetric] = ()) -> list[Score]:
    """What is measured: PSNR, MS-SSIM, SSIMULACRA2 and further metrics."""

    def similarity(a: Pixels, b: Pixels) -> float | None:
        return ms_ssim(a, b) if min(a.shape[:2]) >= MS_SSIM_MIN_SIDE else None

    known = [Score("PSNR dB", 2, False, psnr), Score("MS-SSIM", 4, False, similarity)]
    eye = Ssimulacra2()
    known.append(Score(eye.name, 1, eye.lower_is_better, eye))
    return known + [Score(label(metric), 4, metric.lower_is_better, metric) for metric in more]


def compare(
    sources: Sequence[Source],
    codecs: Sequence[Contender],
    sizes: Callable[[Source], Sequence[int]],
    measured: Sequence[Score],
    *,
    progress: Progress = silent,
) -> list[list[Shown]]:
    """Each picture by each codec at each size.

    Args:
        sources: the pictures.
        codecs: what makes the files.
        sizes: wanted bytes of a picture's files.
        measured: numbers to take.
        progress: told after each file.

    Returns:
        For each picture its files, size by size.

    Raises:
        CodectkError: as encoding and decoding do.
    """
    found: list[list[Shown]] = []
    done = 0
    for source in sources:
        mine: list[Shown] = []
        for wanted in sizes(source):
            for codec in codecs:
                data, setting = codec.at_size(source, wanted)
                pixels = np.ascontiguousarray(codec.decode(data)[..., :3])
                mine.append(_shown(codec, source, wanted, data, setting, pixels, measured))
                done += 1
                progress(done, None, codec=codec.name, picture=source.name)
        found.append(mine)
    return found


def _shown(
    codec: Contender,
    source: Source,
    wanted: int,
    data: bytes,
    setting: str,
    pixels: Pixels,
    measured: Sequence[Score],
) -> Shown:
    height, width = source.pixels.shape[:2]
    miss = len(data) / wanted - 1
    note = f"{abs(miss):.0%} {'more' if miss > 0 else 'fewer'} bytes than asked for" if abs(miss) > NEAR else ""
    taken = {score.label: score.measure(source.pixels, pixels) for score in measured}
    return Shown(codec.name, wanted, setting, len(data), len(data) * 8 / (width * height), taken, pixels, note)


def _encoder(codec: Codec, source: Source, knobs: Mapping[str, Any]) -> Callable[..., bytes]:
    # What is decoded is compared with the picture pixel by pixel, so the codec may not reframe it.
    aligned = codec.stages.align is not None

    def encode(**more: Any) -> bytes:
        data: bytes = codec.encode(source.picture, aligned=aligned, **knobs, **more)
        return data

    return encode


def sheet(sources: Sequence[Source], found: Sequence[Sequence[Shown]], measured: Sequence[Score]) -> Image.Image:
    """Each picture in a row: the original, then what each codec made of it, the same detail enlarged below.

    Args:
        sources: the pictures.
        found: of each picture one file per codec.
        measured: the numbers under the pictures.

    Returns:
        RGB picture.
    """
    rows = []
    for source, mine in zip(sources, found, strict=True):
        height, width = source.pixels.shape[:2]
        panels = [Panel("original", f"{source.name}, {width}x{height}", source.pixels)]
        for shown in mine:
            numbers = [
                f"{score.label} {value:.{score.digits}f}"
                for score in measured
                if (value := shown.scores[score.label]) is not None
            ]
            panels.append(Panel(shown.codec, "\n".join([f"{shown.bytes:,} bytes", *numbers]), shown.pixels))
        rows.append(side_by_side(panels, detail_box(source.pixels, max(width // 4, 1), max(height // 5, 1)), zoom=4))
    drawn = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        drawn.paste(row, (0, top))
        top += row.height
    return drawn
