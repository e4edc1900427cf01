"""A picture becomes the bytes of a `.ctk` file."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codectk.base.errors import (
    ContractError,
    DomainError,
    DomainWarning,
    UsageError,
)
from codectk.base.progress import report
from codectk.base.types import Context, Picture
from codectk.bitstream.chunk import LATENTS, TILES, Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.knobs import quantize_knob
from codectk.bitstream.tiles import Box, Tiling
from codectk.bitstream.writer import write
from codectk.coding.coder import Encoder, Meter
from codectk.picture.convert import floats
from codectk.picture.pad import pad
from codectk.picture.tiles import plan
from codectk.pipeline import effort as effort_room
from codectk.pipeline import memory, program, sources
from codectk.pipeline.domain import unlike_training
from codectk.pipeline.pieces import Piece, each
from codectk.spec.card import resolve_knobs
from codectk.spec.knob import Knob, Number
from codectk.spec.stages import SymbolCoder

if TYPE_CHECKING:
    from codectk.pipeline.codec import Codec


class Encoding:
    """One picture on its way into files: framed and prepared once, then finished for any value of the rate knob.

    A picture beyond the codec's tile size is cut, and its tiles are coded one by one. What their preparation made is
    kept only where several files are to come.

    Args:
        codec: the codec.
        picture: what to encode.
        knobs: encoder-side knobs by name; the rest take the card's defaults.
        aligned: the picture is framed already as a codec that aligns pictures wants it.
        strict_domain: refuse a picture outside the codec's domain instead of warning.
        once: only one file will be made.
        effort: 0 takes the values that the analysis makes; up to 9, better ones are looked for.
        importance: of the picture's size: how much errors count, 0 little, 255 in full; grey.

    Attributes:
        picture: what the file describes: the picture given, or what the codec's alignment made of it.
        grid: how it is cut into tiles; None for one piece.
        boxes: the tiles, or the whole picture.

    Raises:
        UsageError: a knob is unknown or out of range, or the codec neither aligns nor judges where that was asked for.
        InputError: the color profile is too large for a file, or the alignment found nothing.
        DomainError: the picture is outside the codec's domain, with `strict_domain`.
        MemoryLimitError: it would need more memory than is allowed.
    """

    def __init__(
        self,
        codec: Codec,
        picture: Picture,
        knobs: Mapping[str, object] | None = None,
        *,
        aligned: bool = False,
        strict_domain: bool = False,
        once: bool = False,
        effort: int = 0,
        importance: Picture | None = None,
    ) -> None:
        self.codec = codec
        stages, card = codec.stages, codec.card
        for name in stages.without_knobs & set(knobs or {}):
            raise UsageError(f"Codec '{stages.id}' has no knob '{name}' with the weights in use.")
        self._knobs = resolve_knobs(card, knobs or {}, "encoder")
        if strict_domain and stages.can.judge is None and card.fidelity is None:
            raise UsageError(f"Codec '{stages.id}' cannot tell whether a picture is of its domain.")
        self.effort = effort
        self.picture = picture = sources.framed(stages, picture, aligned=aligned)
        self.importance = None if importance is None else effort_room.weights(importance, picture)
        self._metadata = sources.metadata(picture)
        tile = codec.card.tile
        self.grid = None if tile is None else plan(picture.width, picture.height, tile, stages.stride)
        whole = [Box(0, 0, picture.width, picture.height)]
        memory.check(codec, "encode", picture.width, picture.height, self.grid)
        self.boxes = whole if self.grid is None else self.grid.boxes(picture.width, picture.height)
        self._strict_domain, self._once = strict_domain, once and self.grid is not None
        self._kept: dict[Box, Piece] = {}
        if self.grid is None:
            self._judge([piece.remark for piece in self._pieces()])

    def file(self, rate: Number | None = None) -> bytes:
        """The complete file.

        Args:
            rate: value of the rate knob; None keeps the one given at the start.
        """
        codec, stages = self.codec, self.codec.stages
        payloads: list[bytes] = []
        remarks: list[str | None] = []
        coded = self._coded_knobs(rate)

        def payload(box: Box) -> tuple[Sequence[bytes], str | None]:
            piece = self._piece(box)
            values = self._values(piece, rate)
            if self.effort:
                return effort_room.refined(self, piece, values, coded), piece.remark
            return self.written(piece, values, coded)[0], piece.remark

        for layers, remark in each(payload, self.boxes):
            payloads += layers
            remarks.append(remark)
            if not self.effort:
                report(len(remarks), len(self.boxes))
        tiling = []
        if self.grid is not None:
            self._judge(remarks)
            tiling = [Chunk.of(TILES, Tiling.of(self.grid, payloads).pack())]
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
        return write(header, [*self._metadata, *tiling, *(Chunk.of(LATENTS, payload) for payload in payloads)])

    def plain(self) -> Encoding:
        """The same picture, prepared already, without effort."""
        other = copy.copy(self)
        other.effort = 0
        return other

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
        stages, piece = self.codec.stages, self.piece
        with stages.backend.guard():
            x = stages.backend.from_pixels(pad(floats(picture), stages.stride))
            return program.distance(stages, piece.prepared, x, piece.ctx)

    @property
    def piece(self) -> Piece:
        """The picture, for what can be told of one that is coded in one piece.

        Raises:
            UsageError: it is coded in tiles.
        """
        if self.grid is not None:
            raise UsageError(
                f"The picture is coded in {len(self.boxes)} tiles, each with latents of its own; ask this of a "
                f"picture of at most {self.codec.card.tile} pixels a side."
            )
        (piece,) = self._pieces()
        return piece

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
        total = 0.0
        for piece in self._pieces():
            meter = Meter()
            self._code(piece, meter, rate)
            total += meter.bits
        return total

    def code(self, coder: SymbolCoder, rate: Number | None = None) -> tuple[Mapping[str, Any], dict[str, Number]]:
        """Finish the analysis of a picture of one piece and run the coding program.

        Returns:
            The latents in the codec's array world, and the knobs that the file carries.

        Raises:
            UsageError: the picture is coded in tiles.
        """
        return self._code(self.piece, coder, rate)

    def _code(
        self, piece: Piece, coder: SymbolCoder, rate: Number | None
    ) -> tuple[Mapping[str, Any], dict[str, Number]]:
        coded = self._coded_knobs(rate)
        return self._coded(piece, coder, self._values(piece, rate), coded), coded

    def _values(self, piece: Piece, rate: Number | None) -> Mapping[str, Any]:
        """What the analysis makes."""
        stages = self.codec.stages
        with stages.backend.guard():
            return program.finish(stages, piece.prepared, replace(piece.ctx, knobs=self._settled(rate)))

    def _coded_knobs(self, rate: Number | None) -> dict[str, Number]:
        """The knobs that the file carries."""
        knobs = self.codec.card.knobs
        return {name: value for name, value in self._settled(rate).items() if knobs[name].coded}

    def _settled(self, rate: Number | None = None) -> dict[str, Number]:
        """Values of the knobs as a decoder will know them; `rate` as for `file`."""
        card, knobs = self.codec.card, dict(self._knobs)
        if rate is not None and card.rate_knob is not None:
            knobs[card.rate_knob.name] = rate
        return {name: _settle(card.knobs[name], value) for name, value in knobs.items()}

    def _coded(
        self, piece: Piece, coder: SymbolCoder, values: Mapping[str, Any], coded: Mapping[str, Number]
    ) -> Mapping[str, Any]:
        stages = self.codec.stages
        with stages.backend.guard():
            # The coding program sees what the decoder will see, so a forgotten `coded = true` fails here, not there.
            return program.code(stages, coder, values, replace(piece.ctx, knobs=coded))

    def written(
        self, piece: Piece, values: Mapping[str, Any], coded: Mapping[str, Number]
    ) -> tuple[Sequence[bytes], Mapping[str, Any]]:
        """The payloads of some values, and the latents as both ends know them."""
        encoder, stages = Encoder(), self.codec.stages
        latents = self._coded(piece, encoder, values, coded)
        layers = encoder.finish()
        if len(layers) > 1 and not stages.can.layer:
            raise ContractError(f"Codec '{stages.id}' codes layers, but does not say that it is layered.")
        return layers, latents

    def _pieces(self) -> Iterator[Piece]:
        """The picture or its tiles, prepared; again only where that was not kept."""
        return map(self._piece, self.boxes)

    def _piece(self, box: Box) -> Piece:
        piece = self._kept.get(box)
        if piece is None:
            piece = self._prepare(box)
            if not self._once:
                self._kept[box] = piece
        return piece

    def _prepare(self, box: Box) -> Piece:
        stages, rate_knob = self.codec.stages, self.codec.card.rate_knob
        rows, columns = slice(box.y, box.bottom), slice(box.x, box.right)
        x = pad(floats(self.picture, rows, columns), stages.stride)
        settled = self._settled()
        if rate_knob is not None:
            # Left out so that a stage which must not depend on it fails at once when it does.
            del settled[rate_knob.name]
        ctx = Context(int(x.shape[0]), int(x.shape[1]), settled)
        with stages.backend.guard():
            prepared = program.prepare(stages, stages.backend.from_pixels(x), ctx)
            remark = program.outside(stages, prepared, ctx)
        if remark is None:
            remark = unlike_training(self.codec, self.picture.pixels[rows, columns])
        return Piece(box, prepared, ctx, remark)

    def _judge(self, remarks: Sequence[str | None]) -> None:
        """Say that the picture is outside the codec's domain where more than half of its pieces are."""
        found = [remark for remark in remarks if remark is not None]
        if 2 * len(found) <= len(remarks):
            return
        if self._strict_domain:
            raise DomainError(found[0])
        warnings.warn(DomainWarning(found[0]), stacklevel=3)


def _settle(knob: Knob, value: Number) -> Number:
    """The value as both ends will know it: what the file can carry, in the knob's own type."""
    return knob.convert(quantize_knob(knob.name, value)) if knob.coded else knob.convert(value)
