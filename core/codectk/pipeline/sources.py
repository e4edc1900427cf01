"""What a person hands over, as pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

import numpy as np

from codectk.base.errors import InputError
from codectk.base.types import Picture
from codectk.bitstream.header import MAGIC
from codectk.picture.convert import to_uint8
from codectk.picture.read import read_picture

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
