"""A picture becomes the bytes of a `.ctk` file."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from codectk.base import limits
from codectk.base.errors import (
    CodectkWarning,
    ContractError,
    DomainError,
    DomainWarning,
    InputError,
    UsageError,
)
from codectk.base.types import Context, Picture
from codectk.bitstream.chunk import ALPHA, EXIF, ICC, LATENTS, XMP, Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.knobs import quantize_knob
from codectk.bitstream.metadata import pack_metadata
from codectk.bitstream.writer import write
from codectk.coding.coder import Encoder, Meter
from codectk.picture.alpha import encode_alpha
from codectk.picture.convert import floats
from codectk.picture.pad import pad
from codectk.pipeline import program
from codectk.spec.card import Knob, Number, resolve_knobs
from codectk.spec.stages import Stages, SymbolCoder

if TYPE_CHECKING:
    from codectk.pipeline.codec import Codec


class Encoding:
    """One picture on its way into files: framed and prepared once, then finished for any value of the rate knob.

    Args:
        codec: the codec.
        picture: what to encode.
        knobs: encoder-side knobs by name; the rest take the card's defaults.
        aligned: the picture is framed already as a codec that aligns pictures wants it.
        strict_domain: refuse a picture outside the codec's domain instead of warning.

    Attributes:
        picture: what the file describes: the picture given, or what the codec's alignment made of it.
        height, width: its size in pixels after padding to the codec's stride.

    Raises:
        UsageError: a knob is unknown or out of range, or the codec neither aligns nor judges where that was asked for.
        InputError: the color profile is too large for a file, or the alignment found nothing.
        DomainError: the picture is outside the codec's domain, with `strict_domain`.
    """

    def __init__(
        self,
        codec: Codec,
        picture: Picture,
        knobs: Mapping[str, object] | None = None,
        *,
        aligned: bool = False,
        strict_domain: bool = False,
    ) -> None:
        self.codec = codec
        stages, card = codec.stages, codec.card
        for name in stages.without_knobs & set(knobs or {}):
            raise UsageError(f"Codec '{stages.id}' has no knob '{name}' with the weights in use.")
        self._knobs = resolve_knobs(card, knobs or {}, "encoder")
        if strict_domain and stages.can.judge is None:
            raise UsageError(f"Codec '{stages.id}' cannot tell whether a picture is of its domain.")
        self.picture = picture = _framed(stages, picture, aligned=aligned)
        self._metadata = _metadata(picture)
        x = pad(floats(picture), stages.stride)
        self.height, self.width = int(x.shape[0]), int(x.shape[1])
        settled = {name: _settle(card.knobs[name], value) for name, value in self._knobs.items()}
        rate = card.rate_knob
        if rate is not None:
            # Left out so that a stage which must not depend on it fails at once when it does.
            del settled[rate.name]
        ctx = self._context(settled)
        with stages.backend.guard():
            self._prepared = program.prepare(stages, stages.backend.from_pixels(x), ctx)
            remark = program.outside(stages, self._prepared, ctx)
        self._known = ctx
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
        _, coded = self.code(encoder, rate)
        payloads = encoder.finish()
        codec, stages = self.codec, self.codec.stages
        if len(payloads) > 1 and not stages.can.layer:
            raise ContractError(f"Codec '{stages.id}' codes layers, but does not say that it is layered.")
        header = Header(
            codec=stages.id,
            distribution="" if codec.needs else codec.distribution,
            width=self.picture.width,
            height=self.picture.height,
            weights=codec.weights,
            knobs=coded,
            portable=stages.portable,
            grey=self.picture.grey,
            needs=codec.needs,
        )
        return write(header, [*self._metadata, *(Chunk.of(LATENTS, payload) for payload in payloads)])

    def advising(self, name: str, value: Number) -> Encoding:
        """The same picture, prepared already, with other advice to the decoder.

        Args:
            name: of a coded knob of the decoder's side.
            value: what the file will carry.
        """
        other = copy.copy(self)
        other._knobs = {**self._knobs, name: self.codec.card.knobs[name].convert(value)}
        return other

    def distance(self, picture: Picture) -> float:
        """How far a decoded picture is from this one, as an analysis that can tell says (`spec.stages`)."""
        stages = self.codec.stages
        with stages.backend.guard():
            x = stages.backend.from_pixels(pad(floats(picture), stages.stride))
            return program.distance(stages, self._prepared, x, self._known)

    @property
    def knobs(self) -> Mapping[str, Number]:
        """Values of the encoder's knobs, and advice to the decoder where there is some."""
        return self._knobs

    @property
    def rate(self) -> Number | None:
        """Value of the rate knob given at the start, or the card's default; None for a codec without one."""
        knob = self.codec.card.rate_knob
        return None if knob is None else self._knobs[knob.name]

    def bits(self, rate: Number | None = None) -> float:
        """The rate estimate that training minimises: bits of the latents without any overhead."""
        meter = Meter()
        self.code(meter, rate)
        return meter.bits

    def code(self, coder: SymbolCoder, rate: Number | None = None) -> tuple[Mapping[str, Any], dict[str, Number]]:
        """Finish the analysis and run the coding program.

        Returns:
            The latents in the codec's array world, and the knobs that the file carries.
        """
        card, stages = self.codec.card, self.codec.stages
        knobs = dict(self._knobs)
        if rate is not None and card.rate_knob is not None:
            knobs[card.rate_knob.name] = rate
        settled = {name: _settle(card.knobs[name], value) for name, value in knobs.items()}
        coded = {name: value for name, value in settled.items() if card.knobs[name].coded}
        with stages.backend.guard():
            values = program.finish(stages, self._prepared, self._context(settled))
            # The coding program sees what the decoder will see, so a forgotten `coded = true` fails here, not there.
            return program.code(stages, coder, values, self._context(coded)), coded

    def _context(self, knobs: Mapping[str, Number]) -> Context:
        return Context(self.height, self.width, knobs)


def _framed(stages: Stages, picture: Picture, *, aligned: bool) -> Picture:
    """The picture that a file describes: framed by the codec if it frames pictures, unless that was done already."""
    align = stages.can.align
    if align is None:
        if aligned:
            raise UsageError(f"Codec '{stages.id}' takes pictures as they are; there is no alignment to skip.")
        return picture
    if aligned:
        return picture
    with stages.backend.guard():
        pixels = align(picture.pixels)
    if not (isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3):
        raise ContractError(f"Codec '{stages.id}' framed a picture as something else than uint8 (h, w, 3).")
    if pixels is picture.pixels:
        return picture
    if picture.alpha is not None:
        # Where a pixel came from is known to the codec alone, so the plane cannot follow.
        warnings.warn(CodectkWarning("The picture's alpha was dropped, for the codec reframed it."), stacklevel=2)
    return replace(picture, pixels=np.ascontiguousarray(pixels), alpha=None, deep=None)


def _settle(knob: Knob, value: Number) -> Number:
    """The value as both ends will know it: what the file can carry, in the knob's own type."""
    return knob.convert(quantize_knob(knob.name, value)) if knob.coded else knob.convert(value)


def _metadata(picture: Picture) -> list[Chunk]:
    chunks = []
    if picture.alpha is not None:
        chunks.append(Chunk.of(ALPHA, encode_alpha(picture.alpha)))
    kept = (("color profile", ICC, picture.icc), ("EXIF data", EXIF, picture.exif), ("XMP packet", XMP, picture.xmp))
    for what, tag, data in kept:
        if data is None:
            continue
        if len(data) > limits.MAX_METADATA_BYTES:
            raise InputError(
                f"The {what} has {len(data)} bytes, more than the {limits.MAX_METADATA_BYTES} a file may hold; encode "
                "without keeping it."
            )
        chunks.append(Chunk.of(tag, data if tag == ICC else pack_metadata(data)))
    return chunks
