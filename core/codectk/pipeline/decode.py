"""The chunks of a `.ctk` file become a picture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from codectk.base.errors import (
    BitstreamError,
    CodectkError,
    ContractError,
    IncompleteWarning,
    TruncatedError,
    UsageError,
    WeightsError,
)
from codectk.base.progress import report
from codectk.base.types import Context, Picture
from codectk.bitstream.chunk import ALPHA, EXIF, ICC, LATENTS, TILES, XMP
from codectk.bitstream.header import Header
from codectk.bitstream.layers import check_number, layers_of, name_of
from codectk.bitstream.metadata import unpack_metadata
from codectk.bitstream.reader import Container, TiledFile
from codectk.bitstream.tiles import Box
from codectk.coding.coder import Decoder
from codectk.picture.alpha import decode_alpha
from codectk.picture.convert import to_neutral
from codectk.picture.pad import crop
from codectk.picture.tiles import SCALES, Blend, Reduced, check_region, reduced, touching
from codectk.pipeline import memory, program, sources
from codectk.pipeline.edit import carried_edits
from codectk.pipeline.pieces import each
from codectk.spec.card import resolve_knobs
from codectk.spec.knob import Number
from codectk.spec.stages import Stages

if TYPE_CHECKING:
    from codectk.pipeline.codec import Codec


def decode_settings(
    source: Container | TiledFile,
    codec: Codec,
    settings: Sequence[Mapping[str, object]],
    *,
    layers: int | None = None,
    region: Sequence[int] | None = None,
    scale: int = 1,
) -> Iterator[Picture]:
    """Decode the latents once and paint them once for each setting of the decoder-side knobs.

    The latents' digest is verified before synthesis: a decoder that lost step raises and never paints.

    Args:
        source: a file whose checks passed, from `bitstream.reader.read`, `bitstream.layers.read_layers`, or
            `bitstream.reader.open_tiles`, which reads no more tiles than the region needs.
        codec: the one that the header names.
        settings: decoder-side knobs by name; all are checked before anything is decoded.
        layers: most layers to decode after the base layer; None decodes all.
        region: x, y, width and height in pixels of the part that is wanted; None for the whole picture.
        scale: reduce the picture by 1, 2, 4 or 8, each pixel the mean of scale x scale (fewer at the right and bottom).

    Raises:
        UsageError: a knob is unknown, out of range, or belongs to the encoder, the codec has no layers, or the region
            or the scale is none of the picture.
        WeightsError: the file was made with other weights.
        ParameterMismatchError: the entropy decoder lost step.
        BitstreamError: the payload or the alpha plane makes no sense.
        ContractError: the codec's stages broke their contract.
        LimitError, MemoryLimitError: there are more pixels, or more memory is needed, than `base.resources` allows.
    """
    container = source.front if isinstance(source, TiledFile) else source
    header = container.header
    _check_weights(header, codec)  # first: which knobs a file carries depends on its weights
    carried = _carried(header, codec)
    resolved = [resolve_knobs(codec.card, knobs, "decoder", carried=carried) for knobs in settings]
    box = check_region(region, header.width, header.height)
    if scale not in SCALES:
        raise UsageError(f"A picture is reduced by {', '.join(map(str, SCALES))}, not {scale!r}.")
    painter = _Painter(codec, header, resolved, carried_edits(container))
    tiling = source.tiling
    memory.check(codec, "decode", header.width, header.height, tiling.grid if tiling else None, box)
    if tiling is not None:
        _check_tiled(codec.stages, layers)
        planes = painter.tiles(source, box, scale)
    else:
        planes = painter.piece(decode_latents(container, codec, layers=layers), box, scale)
    metadata = {chunk.tag: chunk.payload for chunk in sources.sound(container.chunks)}
    exif, xmp = (unpack_metadata(metadata[tag]) if tag in metadata else None for tag in (EXIF, XMP))
    alpha = None
    if ALPHA in metadata:
        whole = decode_alpha(metadata[ALPHA], header.height, header.width)
        alpha = reduced(whole[box.y : box.bottom, box.x : box.right], scale)
    for pixels in planes:
        yield Picture(pixels, alpha=alpha, grey=header.grey, icc=metadata.get(ICC), exif=exif, xmp=xmp)


class _Painter:
    """Latents of one file become pixels, uint8 (h, w, 3), once for each setting of the knobs."""

    def __init__(
        self, codec: Codec, header: Header, settings: Sequence[Mapping[str, Number]], edits: Mapping[str, float]
    ) -> None:
        self._codec, self._header, self._settings, self._edits = codec, header, settings, edits

    def piece(self, latents: Mapping[str, Any], box: Box, scale: int) -> Iterator[np.ndarray]:
        """A picture of one piece, painted setting by setting as they are asked for."""
        header = self._header
        for knobs in self._settings:
            painted = self._paint(latents, Box(0, 0, header.width, header.height), knobs)
            out = Reduced(box.width, box.height, scale)
            out.add(painted[box.y : box.bottom, box.x : box.right])
            yield out.pixels

    def tiles(self, source: Container | TiledFile, box: Box, scale: int) -> Iterator[np.ndarray]:
        """The tiles that show in `box`, each decoded once and painted with all settings."""
        header, codec = self._header, self._codec
        tiling = source.tiling
        assert tiling is not None
        payload = source.payload if isinstance(source, TiledFile) else source.payloads(LATENTS).__getitem__
        grid = tiling.grid
        outs = [Reduced(box.width, box.height, scale) for _ in self._settings]
        wanted = touching(grid, header.width, header.height, box)
        blends = [Blend(grid, header.width, header.height, box) for _ in self._settings]

        def painted(numbered: tuple[int, Box]) -> list[np.ndarray]:
            number, tile = numbered
            latents = _code(codec, [payload(number)], coding_context(header, codec, tile))
            return [self._paint(latents, tile, knobs) for knobs in self._settings]

        for done, pixels in enumerate(each(painted, wanted)):
            for blend, out, one in zip(blends, outs, pixels, strict=True):
                out.add(blend.add(wanted[done][1], one))
            report(done + 1, len(wanted))
        yield from (out.pixels for out in outs)

    def _paint(self, latents: Mapping[str, Any], box: Box, knobs: Mapping[str, Number]) -> np.ndarray:
        """float32 (box.height, box.width, 3)."""
        stages = self._codec.stages
        ctx = replace(coding_context(self._header, self._codec, box), knobs=knobs, edits=self._edits)
        with _guarded(self._codec, "paint what the file says"):
            x = _pixels(stages, program.synthesize(stages, latents, ctx), ctx)
        painted = crop(x, box.height, box.width)
        return to_neutral(painted) if self._header.grey else painted


def decode_latents(container: Container, codec: Codec, *, layers: int | None = None) -> Mapping[str, Any]:
    """Decode and verify the latents, without synthesis.

    Args:
        container: a file whose checks passed.
        codec: the one that the header names.
        layers: most layers to decode after the base layer; None decodes all.

    Returns:
        Arrays of the codec's own kind by latent name.

    Raises:
        WeightsError, ParameterMismatchError, BitstreamError: as `decode_settings`.
    """
    header = container.header
    _check_weights(header, codec)
    if container.tiling is not None:
        raise UsageError("The picture is in tiles, each with latents of its own.")
    _check_layers(container, codec.stages, layers)
    return _code(codec, container.payloads(LATENTS), coding_context(header, codec), layers)


def check_latents(container: Container, codec: Codec) -> None:
    """Decode and verify all latents of a file, of one piece or in tiles, and forget them.

    Raises:
        WeightsError, ParameterMismatchError, BitstreamError: as `decode_settings`.
    """
    if container.tiling is None:
        decode_latents(container, codec)
        return
    header = container.header
    _check_weights(header, codec)
    _check_tiled(codec.stages, None)
    boxes = container.tiling.grid.boxes(header.width, header.height)
    for box, payload in zip(boxes, container.payloads(LATENTS), strict=True):
        _code(codec, [payload], coding_context(header, codec, box))


def _code(codec: Codec, payloads: Sequence[bytes], ctx: Context, layers: int | None = None) -> Mapping[str, Any]:
    """Run the coding program on the payloads of one piece."""
    decoder = Decoder(payloads, layers=layers)
    with _guarded(codec, "decode the payload"):
        latents = program.code(codec.stages, decoder, None, ctx)
    decoder.finish()
    return latents


@contextmanager
def _guarded(codec: Codec, doing: str) -> Iterator[None]:
    """A crafted payload may lead a plugin's own arithmetic anywhere; the person decoding still gets a sentence."""
    try:
        with codec.stages.backend.guard():
            yield
    except (CodectkError, MemoryError):
        raise
    except Exception as error:
        if "out of memory" in str(error) or "can't allocate memory" in str(error):  # as torch says it
            raise MemoryError(str(error)) from error
        raise BitstreamError(
            f"Codec '{codec.stages.id}' cannot {doing} ({type(error).__name__}: {error}); "
            f"the file is damaged or was made by another version of {codec.distribution}.",
            chunk=LATENTS,
        ) from error


def coding_context(header: Header, codec: Codec, tile: Box | None = None) -> Context:
    """What the coding program knows of a file at both ends: the padded size and the knobs that the file carries.

    Args:
        header: of the file.
        codec: the one that it names.
        tile: a tile, which has a size of its own; None for a picture of one piece.

    Raises:
        BitstreamError: the header's knobs are not those of the codec, or out of their range.
    """
    stride = codec.stages.stride
    piece = tile or header
    height, width = (-(-side // stride) * stride for side in (piece.height, piece.width))
    carried = resolve_knobs(codec.card, {}, "decoder", carried=_carried(header, codec))
    return Context(height, width, {name: value for name, value in carried.items() if name in header.knobs})


def _check_tiled(stages: Stages, layers: int | None) -> None:
    """Check that a codec may have made a file with tiles."""
    if stages.can.layer:
        raise BitstreamError(f"The file has tiles, but codec '{stages.id}' codes layers.", chunk=TILES)
    if layers is not None:
        raise UsageError(f"Files of codec '{stages.id}' have no layers to choose from.")


def _check_layers(container: Container, stages: Stages, layers: int | None) -> None:
    """Check that the chunks of latents and the layers that are wanted fit the codec; say if some are missing."""
    check_number(layers)
    if layers is not None and not stages.can.layer:
        raise UsageError(f"Files of codec '{stages.id}' have no layers to choose from.")
    there = layers_of(container)
    if not stages.can.layer and there:
        raise BitstreamError(
            f"The file has {there + 1} chunks of latents, but codec '{stages.id}' reads one.", chunk=LATENTS
        )
    if container.complete or (layers is not None and layers <= there):
        return
    if not stages.can.layer:
        raise TruncatedError("The file is cut: its last chunk is missing.", offset=container.data_len)
    remark = f"The file ends after {name_of(there)}; the rest is missing, so the picture has less detail."
    warnings.warn(IncompleteWarning(remark), stacklevel=2)


def _check_weights(header: Header, codec: Codec) -> None:
    if header.weights != codec.weights:
        raise WeightsError(
            f"The file was made with weights {_named(header.weights)} of codec '{codec.stages.id}', "
            f"but the installed {codec.distribution} has weights {_named(codec.weights)}."
        )


def _carried(header: Header, codec: Codec) -> Mapping[str, Number]:
    """The header's knobs, each of which the codec must know and none of which may be missing."""
    known = {name for name, knob in codec.card.knobs.items() if knob.coded}
    needed = {name for name in known if codec.card.knobs[name].side == "encoder"}
    odd = sorted(set(header.knobs) - known) + sorted(needed - set(header.knobs))
    if odd:
        does = "carries" if odd[0] in header.knobs else "lacks"
        raise BitstreamError(
            f"The file {does} knob '{odd[0]}', which does not fit codec '{codec.stages.id}' "
            f"of the installed {codec.distribution}."
        )
    return header.knobs


def _pixels(stages: Stages, x: Any, ctx: Context) -> np.ndarray:
    """What the codec painted, as float32 of the padded size, all finite."""
    pixels = np.asarray(stages.backend.to_pixels(x), dtype=np.float32)
    wanted = (ctx.height, ctx.width, 3)
    if pixels.shape != wanted:
        raise ContractError(
            f"The synthesis of codec '{stages.id}' gave pixels of shape {pixels.shape} instead of {wanted}."
        )
    if not np.isfinite(pixels).all():
        raise ContractError(f"The synthesis of codec '{stages.id}' gave pixels that are not finite.")
    return pixels


def _named(weights: bytes) -> str:
    return weights.hex() if any(weights) else "(none)"
