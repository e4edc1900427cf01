"""Tensors on disk: safetensors, never pickles."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from codectk.base.atomic import atomic_write
from codectk.base.errors import WeightsError

_LENGTH = struct.Struct("<Q")
_NUMPY_DTYPES = {"BOOL", "U8", "I8", "U16", "I16", "U32", "I32", "U64", "I64", "F16", "F32", "F64"}
_MAX_HEADER_BYTES = 100_000_000  # the safetensors format's own limit


def load_tensors(path: str | os.PathLike[str], prefix: str = "") -> dict[str, np.ndarray]:
    """Read tensors of a safetensors file.

    Args:
        path: the file.
        prefix: with which the names of those begin that are wanted; the others cost nothing.

    Returns:
        Arrays by name, with the file's dtypes and shapes.

    Raises:
        WeightsError: no such file, not a whole safetensors file, a dtype that numpy lacks (bfloat16, float8), or
            the package safetensors is not installed.
    """
    safetensors = _safetensors()
    wanted = {name: tensor for name, tensor in _read_header(path).items() if name.startswith(prefix)}
    wanted.pop("__metadata__", None)
    dtypes = {str(tensor.get("dtype")) for tensor in wanted.values()}
    foreign = sorted(dtypes - _NUMPY_DTYPES)
    if foreign:
        raise WeightsError(f"{path} has tensors of type {', '.join(foreign)}, which numpy cannot hold.")
    try:
        with safetensors.safe_open(path, framework="np") as file:
            return {name: file.get_tensor(name) for name in wanted}
    except Exception as error:  # SafetensorError derives from Exception
        raise WeightsError(f"{path} cannot be read: {error}.") from error


def save_tensors(
    path: str | os.PathLike[str], tensors: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None
) -> None:
    """Write a safetensors file, whole or not at all. Equal content gives equal bytes, so that its hash is a name.

    Args:
        path: where to.
        tensors: arrays by name, of boolean, integer or floating dtype (at most 64 bits); any memory layout.
        metadata: texts to store beside them.

    Raises:
        WeightsError: a dtype that the format lacks, or the package safetensors is not installed.
        OutputError: the file cannot be written.
    """
    safetensors = _safetensors()
    # The library writes the memory of an array as it lies; a transposed view would come back scrambled.
    arrays = {name: np.asarray(value, order="C") for name, value in sorted(tensors.items())}
    try:
        data: bytes = safetensors.save(arrays, metadata=dict(metadata or {}))
    except Exception as error:  # SafetensorError derives from Exception
        raise WeightsError(f"The tensors for {path} cannot be stored: {error}.") from error
    head, start = _sorted_header(data)
    with atomic_write(path) as file:
        file.write(head)
        file.write(memoryview(data)[start:])


def read_metadata(path: str | os.PathLike[str], start: int = 0, size: int | None = None) -> dict[str, str]:
    """Read the texts stored in a safetensors file; needs no package for it.

    Args:
        path: the file, or one that holds it as a part.
        start: where in `path` it begins, in bytes.
        size: its bytes; None for all up to the end of `path`.

    Raises:
        WeightsError: no such file, or not a safetensors file (pickles are told so).
    """
    texts = _read_header(path, start, size).get("__metadata__", {})
    return {str(key): str(value) for key, value in texts.items()}


def _read_header(path: str | os.PathLike[str], start: int = 0, size: int | None = None) -> dict[str, dict[str, Any]]:
    """The JSON header: a table by tensor name, and "__metadata__" if there is any.

    Raises:
        WeightsError: no such file, or not a safetensors file.
    """
    try:
        size = Path(path).stat().st_size - start if size is None else size
        with open(path, "rb") as file:
            file.seek(start)
            head = file.read(min(size, _LENGTH.size))
            length = _LENGTH.unpack(head)[0] if len(head) == _LENGTH.size else 0
            text = file.read(length) if 2 <= length <= min(size - _LENGTH.size, _MAX_HEADER_BYTES) else b""
    except OSError as error:
        raise WeightsError(f"The weights file {path} cannot be read: {error.strerror or error}.") from error
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:
        # Not earlier: the length of a header may begin with the same bytes.
        if head[:2] == b"PK" or head[:1] == b"\x80":
            raise WeightsError(f"{path} is a pickle, which could run code; only safetensors files are used.") from error
        raise WeightsError(f"{path} is not a safetensors file.") from error
    if not isinstance(header, dict) or not all(isinstance(table, dict) for table in header.values()):
        raise WeightsError(f"{path} is not a safetensors file.")
    return header


def _sorted_header(data: bytes) -> tuple[bytes, int]:
    """A file's beginning with metadata in order, which the library writes in a random one, and where tensors start."""
    (length,) = _LENGTH.unpack_from(data)
    header: dict[str, Any] = json.loads(data[_LENGTH.size : _LENGTH.size + length])
    if "__metadata__" in header:
        header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors start at a multiple of eight bytes
    return _LENGTH.pack(len(text)) + text, _LENGTH.size + length


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise WeightsError(
            "Weights need the package safetensors, which is not installed: pip install safetensors."
        ) from error
    return safetensors.numpy
