"""What a person hands over, as pictures."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from codectk.base import limits
from codectk.base.errors import BitstreamError, CodectkWarning, ContractError, InputError, UsageError
from codectk.base.types import Picture
from codectk.bitstream.chunk import ALPHA, EXIF, ICC, XMP, Chunk, check_payload
from codectk.bitstream.header import MAGIC
from codectk.bitstream.metadata import pack_metadata
from codectk.picture.alpha import encode_alpha
from codectk.picture.convert import to_uint8
from codectk.picture.read import read_picture
from codectk.spec.stages import Stages

SUFFIX = ".ctk"


def pictures(image: Any, *, keep_icc: bool = False, keep: str | Iterable[str] = ()) -> tuple[list[Picture], bool]:
    """The pictures of an argument, and whether it stands for several.

    Args:
        image: what `read_picture` takes, or a `Picture`; or a list of these; or floating (B, 3, H, W) RGB in [0, 1],
            of torch or numpy.
        keep_icc, keep: as for `read_picture`.

    Raises:
        InputError: one cannot be read, there is none, or a batch has another form.
    """
    if isinstance(image, list | tuple):
        return [_picture(one, keep_icc, keep) for one in image], True
    if getattr(image, "ndim", 0) == 4:
        return _of_batch(image), True
    return [_picture(image, keep_icc, keep)], False


def framed(stages: Stages, picture: Picture, *, aligned: bool) -> Picture:
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


def metadata(picture: Picture) -> list[Chunk]:
    """What a file carries beside the latents.

    Raises:
        InputError: a part of it is too large.
    """
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


def sound(chunks: Iterable[Chunk]) -> list[Chunk]:
    """The chunks of a file without metadata that break the rules of the format, though their check fits.

    The pixels need no metadata, so what is left out is told in a `CodectkWarning`.
    """
    kept = []
    for chunk in chunks:
        try:
            check_payload(chunk)
        except BitstreamError as error:
            warnings.warn(CodectkWarning(f"The chunk {chunk.tag} was left out: {error}"), stacklevel=2)
        else:
            kept.append(chunk)
    return kept


def is_file(source: Any) -> bool:
    """Whether something is the bytes or, by its name, the path of a `.ctk` file."""
    if isinstance(source, bytes | bytearray | memoryview):
        return bytes(source[: len(MAGIC)]) == MAGIC
    return isinstance(source, str | os.PathLike) and os.fspath(source).lower().endswith(SUFFIX)


def _picture(image: Any, keep_icc: bool, keep: str | Iterable[str] = ()) -> Picture:
    return image if isinstance(image, Picture) else read_picture(image, keep_icc=keep_icc, keep=keep)


def _of_batch(batch: Any) -> list[Picture]:
    # A tensor of torch, which is not imported here, moves itself to where numpy can see it.
    array = np.asarray(batch if isinstance(batch, np.ndarray) else batch.detach().cpu().float())
    if array.shape[1] != 3 or 0 in array.shape or not np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"A batch of pictures must be floating (B, 3, H, W) with values in [0, 1]; this one is {array.dtype} of "
            f"shape {tuple(array.shape)}."
        )
    if not (np.isfinite(array).all() and array.min() >= -1e-3 and array.max() <= 1 + 1e-3):
        raise InputError("A batch of pictures must have values in [0, 1]; this one has others.")
    return [_picture(np.ascontiguousarray(to_uint8(one.transpose(1, 2, 0))), False) for one in array]
