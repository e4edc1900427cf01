"""Files appear whole or not at all, and what was there keeps its mode.

The rule for every file that codectk writes:

- It appears under its name when it is whole. Until then, and if anything fails, what was there stays as it was.
- A new file has the mode that the umask leaves. One that replaces another has that one's mode and, where the system
  allows it, owner and group. Access lists, extended attributes and further hard links are not carried over.
- A file that nobody may write (mode 0444) is not replaced, though its folder would allow it; not even by root.
- A symbolic link stays a link; the file it points to is replaced.
- A device or a pipe is written into; it is never replaced.
"""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from codectk.base.errors import OutputError, UsageError

_ANYBODY_WRITES = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH

Name = str | os.PathLike[str]


@contextmanager
def atomic_write(path: Name) -> Iterator[BinaryIO]:
    """Give a temporary file; what is in it becomes `path` when the block ends well, by the rule above.

    Args:
        path: where the finished file shall be. Its folder must exist.

    Yields:
        A seekable binary file, open for writing and reading.

    Raises:
        UsageError: the path is empty.
        OutputError: as `check_target`, the disk is full, or any other `OSError`.
    """
    target = check_target(path)
    try:
        found = target.stat() if target.exists() else None
        # A file may be stdout: of a shell's "> file", where what is printed goes, too.
        replaceable = found is None or (stat.S_ISREG(found.st_mode) and not _is_stdout(found))
        with _beside(target, found) if replaceable else _into(target) as file:
            yield file
    except BrokenPipeError:
        raise  # whoever read it has ended, which is no fault
    except OSError as error:
        raise OutputError(f"Cannot write {os.fspath(path)}: {error.strerror or error}.") from error


def check_target(path: Name, *, folder_will_be_made: bool = False) -> Path:
    """Whether a file can be written at `path` by the rule above.

    Args:
        path: the file.
        folder_will_be_made: its folder may be missing, if it can be made.

    Returns:
        The path with links followed.

    Raises:
        UsageError: the path is empty.
        OutputError: a folder is there, its own folder is missing, or there is no permission.
    """
    name = os.fspath(path)
    if not name:
        raise UsageError("The name of an output is empty.")
    try:
        # A pipe of this process, such as /dev/stdout, has no other path.
        special = os.path.exists(name) and not os.path.isfile(name)
        target = Path(name) if special else Path(os.path.realpath(name))
        if target.is_dir() or name.endswith(tuple(filter(None, (os.sep, os.altsep)))):
            raise OutputError(f"'{name}' is a folder; name a file.")
        if target.exists():
            if not (target.stat().st_mode & _ANYBODY_WRITES and os.access(target, os.W_OK)):
                raise OutputError(f"There is no permission to write '{name}': it is read-only.")
            if not target.is_file():
                return target
    except (OSError, ValueError) as error:
        raise OutputError(f"Cannot write {name!r}: {getattr(error, 'strerror', None) or error}.") from error
    if folder_will_be_made:
        check_folder(target.parent)
        return target
    if not target.parent.is_dir():
        raise OutputError(f"There is no folder '{os.path.dirname(name)}' to write '{name}' into.")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise OutputError(f"There is no permission to write '{name}': its folder is read-only.")
    return target


def check_folder(path: Name) -> Path:
    """Whether a folder is there, or can be made, and files can be written into it.

    Returns:
        The path with links followed.

    Raises:
        UsageError: the path is empty.
        OutputError: a file is in the way, or there is no permission.
    """
    name = os.fspath(path)
    if not name:
        raise UsageError("The name of a folder is empty.")
    try:
        folder = Path(os.path.realpath(name))
        there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
    except (OSError, ValueError) as error:
        raise OutputError(f"Cannot write into {name!r}: {getattr(error, 'strerror', None) or error}.") from error
    if not there.is_dir():
        raise OutputError(f"Cannot make folder '{name}': '{there}' is not a folder.")
    if not os.access(there, os.W_OK | os.X_OK):
        raise OutputError(f"There is no permission to write into the folder '{there}'.")
    return folder


def make_folder(path: Name) -> None:
    """Make a folder and those it lies in; one that is there already is fine.

    Raises:
        UsageError: the path is empty.
        OutputError: as `check_folder`, or any other `OSError`.
    """
    check_folder(path)
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise OutputError(f"Cannot make folder '{os.fspath(path)}': {error.strerror or error}.") from error


@contextmanager
def _beside(target: Path, replaced: os.stat_result | None) -> Iterator[BinaryIO]:
    """A new file in the folder of `target`, which it becomes."""
    mode = 0o666 if replaced is None else stat.S_IMODE(replaced.st_mode) & 0o777
    # Not tempfile.mkstemp: that gives mode 0600, and a new file should obey the user's umask.
    temporary = target.parent / f".codectk-{secrets.token_hex(8)}.tmp"
    try:
        # Never more open than what it replaces, not even while it is being written.
        with open(temporary, "x+b", opener=lambda path, flags: os.open(path, flags, mode)) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if replaced is not None:
            _take_over(temporary, replaced)
        os.replace(temporary, target)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def _into(target: Path) -> Iterator[BinaryIO]:
    """A file that is written into a device, a pipe, or wherever stdout goes."""
    with tempfile.TemporaryFile() as file:
        yield file
        file.seek(0)
        if _is_stdout(target.stat()):
            sys.stdout.flush()
            shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
        else:
            with open(target, "wb") as device:
                shutil.copyfileobj(file, device)


def _take_over(path: Path, replaced: os.stat_result) -> None:
    """Owner, group and mode of the file that will be replaced."""
    if hasattr(os, "chown"):
        made = path.stat()
        for old, new, arguments in (
            (replaced.st_gid, made.st_gid, (-1, replaced.st_gid)),
            (replaced.st_uid, made.st_uid, (replaced.st_uid, -1)),
        ):
            if old != new:
                with suppress(PermissionError):
                    os.chown(path, *arguments)
    os.chmod(path, stat.S_IMODE(replaced.st_mode))


def _is_stdout(found: os.stat_result) -> bool:
    try:
        stdout = os.fstat(sys.stdout.fileno())
    except (OSError, ValueError, AttributeError):
        return False
    return (found.st_dev, found.st_ino) == (stdout.st_dev, stdout.st_ino)
