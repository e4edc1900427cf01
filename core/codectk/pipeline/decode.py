"""The chunks of a `.ctk` file become a picture."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

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
from codectk.bitstream.chunk import ALPHA, ICC, LATENTS
from codectk.bitstream.header import Header
from codectk.bitstream.layers import check_number, layers_of, name_of
from codectk.bitstream.reader import Container
from codectk.coding.coder import Decoder
from codectk.picture.alpha import decode_alpha
from codectk.picture.convert import to_neutral, to_uint8
from codectk.picture.pad import crop
from codectk.pipeline import stages
from codectk.pipeline.edit import carried_edits
from codectk.pipeline.load import Ready
from codectk.spec.card import Number, resolve_knobs
from codectk.spec.stages import Stages


def decode_container(
    container: Container, ready: Ready, knobs: Mapping[str, object] | None = None, *, layers: int | None = None
) -> Picture:
    """Decode one picture.

    The latents' digest is verified before synthesis: a decoder that lost step raises and never paints.

    Args:
        container: a file whose checks passed, from `bitstream.reader.read` or `bitstream.layers.read_layers`.
        ready: the codec the header names.
        knobs: decoder-side knobs by name.
        layers: most layers to decode after the base layer; None decodes all.

    Raises:
        UsageError: a knob is unknown, out of range, or belongs to the encoder, or the codec has no layers.
        WeightsError: the file was made with other weights.
        ParameterMismatchError: the entropy decoder lost step.
        BitstreamError: the payload or the alpha plane makes no sense.
        ContractError: the codec's stages broke their contract.
    """
    return next(decode_settings(container, ready, [knobs or {}], layers=layers))


def decode_settings(
    container: Container, ready: Ready, settings: Sequence[Mapping[str, object]], *, layers: int | None = None
) -> Iterator[Picture]:
    """Decode the latents once and paint them once for each setting of the decoder-side knobs.

    Raises:
        As `decode_container`; every setting is checked before anything is decoded.
    """
    header = container.header
    _check_weights(header, ready)  # first: which knobs a file carries depends on its weights
    carried = _carried(header, ready)
    resolved = [resolve_knobs(ready.card, knobs, "decoder", carried=carried) for knobs in settings]
    edits = carried_edits(container)
    latents, known = decode_latents(container, ready, layers=layers), coding_context(header, ready)
    metadata = {chunk.tag: chunk.payload for chunk in container.chunks}
    alpha = decode_alpha(metadata[ALPHA], header.height, header.width) if ALPHA in metadata else None
    for knobs in resolved:
        ctx = replace(known, knobs=knobs, edits=edits)
        with _guarded(ready, "paint what the file says"):
            pixels = _pixels(ready.codec, stages.synthesize(ready.codec, latents, ctx), ctx)
        painted = crop(pixels, header.height, header.width)
        pixels = to_uint8(to_neutral(painted) if header.grey else painted)
        yield Picture(pixels, alpha=alpha, grey=header.grey, icc=metadata.get(ICC))


def decode_latents(container: Container, ready: Ready, *, layers: int | None = None) -> Mapping[str, Any]:
    """Decode and verify the latents, without synthesis.

    Args:
        container: a file whose checks passed.
        ready: the codec the header names.
        layers: most layers to decode after the base layer; None decodes all.

    Returns:
        Arrays of the codec's own kind by latent name.

    Raises:
        WeightsError, ParameterMismatchError, BitstreamError: as `decode_container`.
    """
    header, codec = container.header, ready.codec
    _check_weights(header, ready)
    payloads = container.payloads(LATENTS)
    _check_layers(container, codec, layers)
    ctx = coding_context(header, ready)
    decoder = Decoder(payloads, layers=layers)
    with _guarded(ready, "decode the payload"):
        latents = stages.code(codec, decoder, None, ctx)
    decoder.finish()
    return latents


@contextmanager
def _guarded(ready: Ready, doing: str) -> Iterator[None]:
    """A crafted payload may lead a plugin's own arithmetic anywhere; the person decoding still gets a sentence."""
    try:
        yield
    except (CodectkError, MemoryError):
        raise
    except Exception as error:
        if "out of memory" in str(error) or "can't allocate memory" in str(error):  # as torch says it
            raise MemoryError(str(error)) from error
        raise BitstreamError(
            f"Codec '{ready.codec.id}' cannot {doing} ({type(error).__name__}: {error}); "
            f"the file is damaged or was made by another version of {ready.distribution}.",
            chunk=LATENTS,
        ) from error


def coding_context(header: Header, ready: Ready) -> Context:
    """What the coding program knows of a file at both ends: the padded size and the knobs that the file carries.

    Raises:
        BitstreamError: the header's knobs are not those of the codec, or out of their range.
    """
    stride = ready.codec.stride
    height, width = (-(-side // stride) * stride for side in (header.height, header.width))
    carried = resolve_knobs(ready.card, {}, "decoder", carried=_carried(header, ready))
    return Context(height, width, {name: value for name, value in carried.items() if name in header.knobs})


def _check_layers(container: Container, codec: Stages, layers: int | None) -> None:
    """Check that the chunks of latents and the layers that are wanted fit the codec; say if some are missing."""
    check_number(layers)
    if layers is not None and not codec.layered:
        raise UsageError(f"Files of codec '{codec.id}' have no layers to choose from.")
    there = layers_of(container)
    if not codec.layered and there:
        raise BitstreamError(
            f"The file has {there + 1} chunks of latents, but codec '{codec.id}' reads one.", chunk=LATENTS
        )
    if container.complete or (layers is not None and layers <= there):
        return
    if not codec.layered:
        raise TruncatedError("The file is cut: its last chunk is missing.", offset=container.data_len)
    remark = f"The file ends after {name_of(there)}; the rest is missing, so the picture has less detail."
    warnings.warn(IncompleteWarning(remark), stacklevel=2)


def _check_weights(header: Header, ready: Ready) -> None:
    if header.weights != ready.weights:
        raise WeightsError(
            f"The file was made with weights {_named(header.weights)} of codec '{ready.codec.id}', "
            f"but the installed {ready.distribution} has weights {_named(ready.weights)}."
        )


def _carried(header: Header, ready: Ready) -> Mapping[str, Number]:
    """The header's knobs, each of which the codec must know and none of which may be missing."""
    known = {name for name, knob in ready.card.knobs.items() if knob.coded}
    needed = {name for name in known if ready.card.knobs[name].side == "encoder"}
    odd = sorted(set(header.knobs) - known) + sorted(needed - set(header.knobs))
    if odd:
        does = "carries" if odd[0] in header.knobs else "lacks"
        raise BitstreamError(
            f"The file {does} knob '{odd[0]}', which does not fit codec '{ready.codec.id}' "
            f"of the installed {ready.distribution}."
        )
    return header.knobs


def _pixels(codec: Stages, x: Any, ctx: Context) -> np.ndarray:
    """What the codec painted, as float32 of the padded size, all finite."""
    pixels = np.asarray(codec.backend.to_pixels(x), dtype=np.float32)
    wanted = (ctx.height, ctx.width, 3)
    if pixels.shape != wanted:
        raise ContractError(
            f"The synthesis of codec '{codec.id}' gave pixels of shape {pixels.shape} instead of {wanted}."
        )
    if not np.isfinite(pixels).all():
        raise ContractError(f"The synthesis of codec '{codec.id}' gave pixels that are not finite.")
    return pixels


def _named(weights: bytes) -> str:
    return weights.hex() if any(weights) else "(none)"
