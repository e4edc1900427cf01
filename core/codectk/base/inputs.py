"""Inputs are read once: a pipe has its bytes only once, and a file may change between two readings."""

from __future__ import annotations

import io
import os
import sys
from typing import BinaryIO

from codectk.base.errors import InputError, LimitError, UsageError

STDIN = "-"
"""What names the standard input on the command line."""

_STEP = 1 << 20

Data = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO
"""Bytes, the path of a file, or a file that is open for reading bytes."""


def read_bytes(data: Data, limit: int, what: str = "A file") -> bytes | bytearray | memoryview:
    """The bytes of an input, at most `limit` of them.

    Args:
        data: bytes, which are returned as they are; a path, also of a pipe; or a file open for reading bytes, which is
            read from where it stands to its end.
        limit: most bytes.
        what: kind of input, for the message about a wrong type: "A .ctk file".

    Raises:
        UsageError: it is none of these, or a path without a name.
        InputError: the file cannot be read.
        LimitError: it is longer; no more than the limit was read.
    """
    if isinstance(data, bytes | bytearray | memoryview):
        return data
    if isinstance(data, str | os.PathLike):
        name = os.fsdecode(data)
        with open_input(name) as file:
            return _all(file, name, limit)
    if callable(getattr(data, "read", None)):
        return _all(data, str(getattr(data, "name", "the given file")), limit)
    raise UsageError(f"{what} is given as bytes, as a path or as an open file, not as {type(data).__name__}.")


def in_parts(data: Data, limit: int, what: str = "A file") -> bytes | bytearray | memoryview | str:
    """An input that can be read in parts, by `read_part`: bytes, or the path of a regular file; others are read now.

    Args:
        data, limit, what: as for `read_bytes`, and so are the errors.
    """
    if isinstance(data, str | os.PathLike) and os.path.isfile(data):
        return os.fsdecode(data)
    return read_bytes(data, limit, what)


def size_of(data: bytes | bytearray | memoryview | str, limit: int) -> int:
    """How many bytes an input of `in_parts` has.

    Raises:
        InputError: it is not there any more.
        LimitError: it is longer than the limit.
    """
    if not isinstance(data, str):
        return memoryview(data).nbytes
    with open_input(data) as file:
        size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise LimitError(f"{data} has {size:,} bytes, the most is {limit:,}.")
    return size


def read_part(data: bytes | bytearray | memoryview | str, start: int, size: int) -> bytes:
    """Bytes of an input of `in_parts` from `start` on, fewer at its end.

    Raises:
        InputError: it cannot be read.
    """
    if not isinstance(data, str):
        return bytes(memoryview(data).cast("B")[start : start + size])
    with open_input(data) as file:
        try:
            file.seek(start)
            return file.read(size)
        except OSError as error:
            raise InputError(f"Cannot read {data}: {error.strerror or error}.") from error


def open_input(name: str) -> BinaryIO:
    """Open a file for reading bytes.

    Raises:
        UsageError: the name is empty.
        InputError: it is not there, is a folder, or cannot be opened.
    """
    if not name:
        raise UsageError("The name of an input is empty.")
    try:
        return open(name, "rb")
    except (OSError, ValueError) as error:
        raise InputError(f"Cannot read {name}: {getattr(error, 'strerror', None) or error}.") from error


def stdin_or(name: str) -> str | BinaryIO:
    """The standard input for "-", else the name: for the command line, where "-" cannot be a file's."""
    return io.BytesIO(sys.stdin.buffer.read()) if name == STDIN else name


def _all(file: BinaryIO, name: str, limit: int) -> bytes:
    try:
        # The size is asked first, so that a huge file costs nothing; a pipe has none.
        size = os.fstat(file.fileno()).st_size
    except (OSError, AttributeError, ValueError):
        size = 0
    if size > limit:
        raise LimitError(f"{name} has {size:,} bytes, the most is {limit:,}.")
    found = bytearray()
    while True:
        try:
            part = file.read(_STEP)
        except (OSError, ValueError) as error:
            raise InputError(f"Cannot read {name}: {getattr(error, 'strerror', None) or error}.") from error
        if not isinstance(part, bytes | bytearray):
            raise UsageError(f"{name} is not open for reading bytes; open it with mode 'rb'.")
        if not part:
            return bytes(found)
        found += part
        if len(found) > limit:
            raise LimitError(f"{name} has more than {limit:,} bytes, which is the most.")
