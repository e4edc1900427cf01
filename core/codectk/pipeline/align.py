"""A picture framed as its codec wants it."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from codectk.base.errors import CodectkWarning, ContractError, UsageError
from codectk.base.types import Picture
from codectk.spec.stages import Stages


def framed(codec: Stages, picture: Picture, *, aligned: bool = False) -> Picture:
    """The picture that a file describes: framed by the codec if it frames pictures, else as it is.

    Args:
        codec: a checked codec.
        picture: what to encode.
        aligned: it is framed already.

    Raises:
        UsageError: `aligned` for a codec that does not frame pictures.
        InputError: the codec did not find in the picture what it is for.
        ContractError: the codec made something else than a picture.
    """
    if codec.align is None:
        if aligned:
            raise UsageError(f"Codec '{codec.id}' takes pictures as they are; there is no alignment to skip.")
        return picture
    if aligned:
        return picture
    pixels = codec.align(picture.pixels)
    if not (isinstance(pixels, np.ndarray) and pixels.dtype == np.uint8 and pixels.ndim == 3 and pixels.shape[2] == 3):
        raise ContractError(f"Codec '{codec.id}' framed a picture as something else than uint8 (h, w, 3).")
    if pixels is picture.pixels:
        return picture
    if picture.alpha is not None:
        # Where a pixel came from is known to the codec alone, so the plane cannot follow.
        warnings.warn(CodectkWarning("The picture's alpha was dropped, for the codec reframed it."), stacklevel=2)
    return replace(picture, pixels=np.ascontiguousarray(pixels), alpha=None)
