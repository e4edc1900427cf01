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
from codectk.base.types import Context, Picture
from codectk.bitstream.chunk import ALPHA, EXIF, ICC, LATENTS, XMP
from codectk.bitstream.header import Header
from codectk.bitstream.layers import check_number, layers_of, name_of
from codectk.bitstream.metadata import unpack_metadata
from codectk.bitstream.reader import Container
from codectk.coding.coder import Decoder
from codectk.picture.alpha import decode_alpha
from codectk.picture.convert import to_neutral, to_uint8
from codectk.picture.pad import crop
from codectk.pipeline import program
from codectk.pipeline.edit import carried_edits
from codectk.spec.card import Number, resolve_knobs
from codectk.spec.stages import Stages

if TYPE_CHECKING:
    from codectk.pipeline.codec import Codec


def decode_settings(
    container: Container, codec: Codec, settings: Sequence[Mapping[str, object]], *, layers: int | None = None
) -> Iterator[Picture]:
    """Decode the latents once and paint them once for each setting of the decoder-side knobs.

    The latents' digest is verified before synthesis: a decoder that lost step raises and never paints.

    Args:
        container: a file whose checks passed, from `bitstream.reader.read` or `bitstream.layers.read_layers`.
        codec: the one that the header names.
        settings: decoder-side knobs by name; all are checked before anything is decoded.
        layers: most layers to decode after the base layer; None decodes all.

    Raises:
        UsageError: a knob is unknown, out of range, or belongs to the encoder, or the codec has no layers.
        WeightsError: the file was made with other weights.
        ParameterMismatchError: the entropy decoder lost step.
        BitstreamError: the payload or the alpha plane makes no sense.
        ContractError: the codec's stages broke their contract.
    """
    header, stages = container.header, codec.stages
    _check_weights(header, codec)  # first: which knobs a file carries depends on its weights
    carried = _carried(header, codec)
    resolved = [resolve_knobs(codec.card, knobs, "decoder", carried=carried) for knobs in settings]
    edits = carried_edits(container)
    latents, known = decode_latents(container, codec, layers=layers), coding_context(header, codec)
    metadata = {chunk.tag: chunk.payload for chunk in container.chunks}
    exif, xmp = (unpack_metadata(metadata[tag]) if tag in metadata else None for tag in (EXIF, XMP))
    alpha = decode_alpha(metadata[ALPHA], header.height, header.width) if ALPHA in metadata else None
    for knobs in resolved:
        ctx = replace(known, knobs=knobs, edits=edits)
        with _guarded(codec, "paint what the file says"):
            x = _pixels(stages, program.synthesize(stages, latents, ctx), ctx)
        painted = crop(x, header.height, header.width)
        pixels = to_uint8(to_neutral(painted) if header.grey else painted)
        yield Picture(pixels, alpha=alpha, grey=header.grey, icc=metadata.get(ICC), exif=exif, xmp=xmp)


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
    header, stages = container.header, codec.stages
    _check_weights(header, codec)
    payloads = container.payloads(LATENTS)
    _check_layers(container, stages, layers)
    ctx = coding_context(header, codec)
    decoder = Decoder(payloads, layers=layers)
    with _guarded(codec, "decode the payload"):
        latents = program.code(stages, decoder, None, ctx)
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


def coding_context(header: Header, codec: Codec) -> Context:
    """What the coding program knows of a file at both ends: the padded size and the knobs that the file carries.

    Raises:
        BitstreamError: the header's knobs are not those of the codec, or out of their range.
    """
    stride = codec.stages.stride
    height, width = (-(-side // stride) * stride for side in (header.height, header.width))
    carried = resolve_knobs(codec.card, {}, "decoder", carried=_carried(header, codec))
    return Context(height, width, {name: value for name, value in carried.items() if name in header.knobs})


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
