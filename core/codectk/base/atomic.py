"""Files appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from codectk.base.errors import OutputError


@contextmanager
def atomic_write(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """Give a temporary file in the folder of `path`; it becomes `path` when the block ends well.

    If the block raises, the temporary file is removed and whatever was at `path` stays as it was. A symbolic link
    at `path` stays a link; the file it points to is replaced.

    Args:
        path: where the finished file shall be. Its folder must exist.

    Yields:
        A seekable binary file, open for writing and reading.

    Raises:
        OutputError: the folder is missing or not writable, the disk is full, or any other `OSError`.
    """
    target = Path(os.path.realpath(path))
    # Not tempfile.mkstemp: that gives mode 0600, and the finished file should obey the user's umask.
    temporary = target.parent / f".codectk-{secrets.token_hex(8)}.tmp"
    try:
        with open(temporary, "x+b") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except OSError as error:
        raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            temporary.unlink()
