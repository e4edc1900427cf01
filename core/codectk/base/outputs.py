"""What a verb reads and writes, stated before any work: no output may be an input, or another output."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from codectk.base.atomic import Name, check_folder, check_target
from codectk.base.errors import UsageError

_Identity = tuple[object, ...]


class Outputs:
    """The files that one command reads and writes.

    Files are the same if they have one device and inode, whatever their names are: links, `..` and upper and lower case
    on file systems that do not tell them apart. Of a file that is not there yet, the folder counts, and its name.
    Devices and pipes can be read and written at once.

    Args:
        reads: the inputs.

    Raises:
        UsageError: an input's name is empty.
    """

    def __init__(self, reads: Iterable[Name] = ()) -> None:
        self._reads: dict[_Identity, Name] = {}
        self._files: dict[_Identity, str] = {}
        self._folders: dict[_Identity, str] = {}
        for name in reads:
            self.read(name)

    def read(self, path: Name) -> None:
        """State an input.

        Raises:
            UsageError: its name is empty, or it is an output already.
        """
        if not os.fspath(path):
            raise UsageError("The name of an input is empty.")
        identity = _identity(path)
        if identity is None:
            return
        if identity in self._files:
            raise _overwritten(self._files[identity], path)
        self._reads.setdefault(identity, path)

    def write(self, path: Name, *, for_: str = "", makes_folder: bool = False, in_place: bool = False) -> Path:
        """State an output file.

        Args:
            path: the file.
            for_: what is written there, for messages: the input it is made of.
            makes_folder: its folder may be missing, if it can be made.
            in_place: it may be an input, which is read before it is replaced.

        Returns:
            The path, as it was given.

        Raises:
            UsageError: its name is empty, or it is an input or another output.
            OutputError: it cannot be written: `base.atomic.check_target`.
        """
        check_target(path, folder_will_be_made=makes_folder)
        name, identity = os.fspath(path), _identity(path)
        if identity is None:
            return Path(path)
        if identity in self._reads and not in_place:
            raise _overwritten(name, self._reads[identity])
        if identity in self._files:
            both = f"'{self._files[identity]}' and '{for_ or name}'"
            raise UsageError(f"{both} would both be written to '{name}'.")
        if identity in self._folders:
            raise UsageError(f"'{name}' cannot be a file and a folder.")
        self._files[identity] = for_ or name
        return Path(path)

    def folder(self, path: Name) -> Path:
        """State a folder for outputs; it is made, by `base.atomic.make_folder`, where it is missing.

        Returns:
            The path, as it was given.

        Raises:
            UsageError: its name is empty, or a file of that name is an output.
            OutputError: it cannot be made or written into.
        """
        check_folder(path)
        identity = _identity(path)
        if identity in self._files:
            raise UsageError(f"'{os.fspath(path)}' cannot be a file and a folder.")
        if identity is not None:
            self._folders[identity] = os.fspath(path)
        return Path(path)


def _overwritten(output: Name, read: Name) -> UsageError:
    output, read = os.fspath(output), os.fspath(read)
    also = "" if output == read else f": it is '{read}'"
    return UsageError(f"'{output}' is an input and would be overwritten{also}.")


def _identity(path: Name) -> _Identity | None:
    """What all names of one file have in common; None for what is neither a file nor a folder, such as a pipe."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        pass
    else:
        plain = stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)
        return (found.st_dev, found.st_ino) if plain else None
    try:
        place = Path(os.path.realpath(path))
        for folder in place.parents:
            if folder.exists():
                there = folder.stat()
                return (there.st_dev, there.st_ino, *place.relative_to(folder).parts)
    except (OSError, ValueError):  # a name that no file can have: whoever opens it will say so
        pass
    return None
