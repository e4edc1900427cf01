"""A picture becomes the bytes of a `.ctk` file."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from typing import Any

from codectk.base import limits
from codectk.base.errors import ContractError, DomainError, DomainWarning, InputError, UsageError
from codectk.base.types import Context, Picture
from codectk.bitstream.chunk import ALPHA, ICC, LATENTS, Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.knobs import quantize_knob
from codectk.bitstream.writer import write
from codectk.coding.coder import Encoder, Meter
from codectk.picture.alpha import encode_alpha
from codectk.picture.convert import to_float
from codectk.picture.pad import pad
from codectk.pipeline import stages
from codectk.pipeline.align import framed
from codectk.pipeline.load import Ready
from codectk.spec.card import Knob, Number, resolve_knobs
from codectk.spec.stages import SymbolCoder


class Encoding:
    """One picture on its way into files: framed and prepared once, then finished for any value of the rate knob.

    Args:
        ready: the codec.
        picture: what to encode.
        knobs: encoder-side knobs by name; the rest take the card's defaults.
        aligned: the picture is framed already as a codec that aligns pictures wants it.
        strict_domain: refuse a picture outside the codec's domain instead of warning.

    Attributes:
        picture: what the file describes: the picture given, or what the codec's alignment made of it.

    Raises:
        UsageError: a knob is unknown or out of range, or the codec neither aligns nor judges where that was asked for.
        InputError: the color profile is too large for a file, or the alignment found nothing.
        DomainError: the picture is outside the codec's domain, with `strict_domain`.
    """

    def __init__(
        self,
        ready: Ready,
        picture: Picture,
        knobs: Mapping[str, object] | None = None,
        *,
        aligned: bool = False,
        strict_domain: bool = False,
    ) -> None:
        self.ready = ready
        for name in ready.codec.without_knobs & set(knobs or {}):
            raise UsageError(f"Codec '{ready.codec.id}' has no knob '{name}' with the weights in use.")
        self._knobs = resolve_knobs(ready.card, knobs or {}, "encoder")
        if strict_domain and not hasattr(ready.codec.analysis, "outside"):
            raise UsageError(f"Codec '{ready.codec.id}' cannot tell whether a picture is of its domain.")
        self.picture = picture = framed(ready.codec, picture, aligned=aligned)
        self._metadata = _metadata(picture)
        x = pad(to_float(picture.pixels), ready.codec.stride)
        self._height, self._width = int(x.shape[0]), int(x.shape[1])
        settled = {name: _settle(ready.card.knobs[name], value) for name, value in self._knobs.items()}
        rate = ready.card.rate_knob
        if rate is not None:
            # Left out so that a stage which must not depend on it fails at once when it does.
            del settled[rate.name]
        ctx = self._context(settled)
        self._prepared, self._known = stages.prepare(ready.codec, ready.codec.backend.from_pixels(x), ctx), ctx
        remark = stages.outside(ready.codec, self._prepared, ctx)
        if remark is not None:
            if strict_domain:
                raise DomainError(remark)
            warnings.warn(DomainWarning(remark), stacklevel=2)

    def file(self, rate: Number | None = None) -> bytes:
        """The complete file.

        Args:
            rate: value of the rate knob; None keeps the one given at the start.
        """
        encoder = Encoder()
        coded = self.code(encoder, rate)
        payloads = encoder.finish()
        if len(payloads) > 1 and not self.ready.codec.layered:
            raise ContractError(f"Codec '{self.ready.codec.id}' codes layers, but does not say that it is layered.")
        header = Header(
            codec=self.ready.codec.id,
            distribution="" if self.ready.needs else self.ready.distribution,
            width=self.picture.width,
            height=self.picture.height,
            weights=self.ready.weights,
            knobs=coded,
            portable=self.ready.codec.portable,
            grey=self.picture.grey,
            needs=self.ready.needs,
        )
        return write(header, [*self._metadata, *(Chunk.of(LATENTS, payload) for payload in payloads)])

    def advising(self, name: str, value: Number) -> Encoding:
        """The same picture, prepared already, with other advice to the decoder.

        Args:
            name: of a coded knob of the decoder's side.
            value: what the file will carry.
        """
        other = copy.copy(self)
        other._knobs = {**self._knobs, name: self.ready.card.knobs[name].convert(value)}
        return other

    def distance(self, picture: Picture) -> float:
        """How far a decoded picture is from this one, as an analysis that can tell says (`spec.stages`)."""
        codec = self.ready.codec
        x = codec.backend.from_pixels(pad(to_float(picture.pixels), codec.stride))
        return stages.distance(codec, self._prepared, x, self._known)

    @property
    def knobs(self) -> Mapping[str, Number]:
        """Values of the encoder's knobs, and advice to the decoder where there is some."""
        return self._knobs

    @property
    def rate(self) -> Number | None:
        """Value of the rate knob given at the start, or the card's default; None for a codec without one."""
        knob = self.ready.card.rate_knob
        return None if knob is None else self._knobs[knob.name]

    def bits(self, rate: Number | None = None) -> float:
        """The rate estimate that training minimises: bits of the latents without any overhead."""
        meter = Meter()
        self.code(meter, rate)
        return meter.bits

    def code(self, coder: SymbolCoder, rate: Number | None = None) -> dict[str, Number]:
        """Finish the analysis and run the coding program; returns the knobs that the file carries."""
        card = self.ready.card
        knobs = dict(self._knobs)
        if rate is not None and card.rate_knob is not None:
            knobs[card.rate_knob.name] = rate
        settled = {name: _settle(card.knobs[name], value) for name, value in knobs.items()}
        coded = {name: value for name, value in settled.items() if card.knobs[name].coded}
        values = stages.finish(self.ready.codec, self._prepared, self._context(settled))
        # The coding program sees what the decoder will see, so a forgotten `coded = true` fails here and not there.
        stages.code(self.ready.codec, coder, values, self._context(coded))
        return coded

    def _context(self, knobs: Mapping[str, Number]) -> Context:
        return Context(self._height, self._width, knobs)


def encode_picture(
    ready: Ready,
    picture: Picture,
    knobs: Mapping[str, Any] | None = None,
    *,
    aligned: bool = False,
    strict_domain: bool = False,
) -> bytes:
    """Encode one picture.

    Args:
        ready: the codec, from `load.load`.
        picture: what to encode.
        knobs: encoder-side knobs by name.
        aligned, strict_domain: as in `Encoding`.

    Returns:
        The bytes of a `.ctk` file.

    Raises:
        UsageError, InputError, DomainError: as `Encoding`.
        ContractError: the codec's stages broke their contract.
    """
    return Encoding(ready, picture, knobs, aligned=aligned, strict_domain=strict_domain).file()


def _settle(knob: Knob, value: Number) -> Number:
    """The value as both ends will know it: what the file can carry, in the knob's own type."""
    return knob.convert(quantize_knob(knob.name, value)) if knob.coded else knob.convert(value)


def _metadata(picture: Picture) -> list[Chunk]:
    chunks = []
    if picture.alpha is not None:
        chunks.append(Chunk.of(ALPHA, encode_alpha(picture.alpha)))
    if picture.icc is not None:
        if len(picture.icc) > limits.MAX_METADATA_BYTES:
            raise InputError(
                f"The color profile has {len(picture.icc)} bytes, more than the {limits.MAX_METADATA_BYTES} a file "
                "may hold; encode without keeping it."
            )
        chunks.append(Chunk.of(ICC, picture.icc))
    return chunks
