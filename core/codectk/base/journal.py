"""What became of each file of an archive, so that a run that was killed goes on where it was.

The journal lies in the archive's folder, a line of JSON for each event:

    {"begin": "a/b.ctk"}
    {"done": "a/b.ctk", "how": "5f0c...", "input": [size, mtime in ns], "output": size, "fields": {...}}

An output is begun before its file appears, and done after it is whole under its name. So whatever moment the process
ends at: a file under the name of an output that was never begun is somebody else's, and one that is not done is made
again. The last line may be cut; it counts for nothing then.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Any

from codectk.base.errors import OutputError

_locks: ModuleType | None
try:
    import fcntl as _locks
except ImportError:  # Windows
    _locks = None

NAME = ".codectk-journal.jsonl"
"""The file in the archive's folder."""

TEMPORARY = ".codectk-*.tmp"
"""What `base.atomic` leaves in a folder where it was killed."""


class Journal:
    """The journal of a folder; nobody else can have it meanwhile. Use it as a context.

    Args:
        folder: it exists.
        how: what decides about the outputs, beside the inputs: options and versions. Outputs that were made otherwise
            are made again.

    Raises:
        OutputError: another process works on the folder, or the journal cannot be written.
    """

    def __init__(self, folder: Path, how: str) -> None:
        self._folder, self._how, path = folder, how, folder / NAME
        self._begun: set[str] = set()
        self._done: dict[str, dict[str, Any]] = {}
        self._inputs: dict[str, list[int]] = {}
        try:
            self._file = open(path, "a+b")  # noqa: SIM115 - closed by `__exit__`
            if _locks is not None:
                _locks.flock(self._file, _locks.LOCK_EX | _locks.LOCK_NB)
            self._file.seek(0)
            lines = self._file.read().split(b"\n")
            if lines[-1]:
                self._file.write(b"\n")
        except BlockingIOError as error:
            raise OutputError(f"Another codectk works on the folder '{folder}'.") from error
        except OSError as error:
            raise OutputError(f"Cannot write {path}: {error.strerror or error}.") from error
        for line in lines:
            with suppress(ValueError, KeyError, TypeError, AttributeError):  # a line that was cut, or is no event
                self._note(json.loads(line))

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def owns(self, target: Path) -> bool:
        """Whether an output is one of this archive, finished or not."""
        return self._name(target) in self._begun

    def unchanged(self, source: Path, target: Path) -> Mapping[str, Any] | None:
        """What was noted of an output that would come out the same again; None if it has to be made."""
        noted = self._done.get(self._name(target))
        if noted is None or noted["how"] != self._how:
            return None
        try:
            same = noted["input"] == _state(source) and noted["output"] == target.stat().st_size
        except OSError:
            return None
        return noted["fields"] if same else None

    def begin(self, source: Path, target: Path) -> None:
        """Note that an output will be made now, and of what.

        Raises:
            OSError: there is no such input.
        """
        # Before it is read: what changes meanwhile is made again next time.
        self._inputs[self._name(target)] = _state(source)
        self._write({"begin": self._name(target)})

    def done(self, target: Path, fields: Mapping[str, Any]) -> None:
        """Note that an output is there, and what is told of it."""
        name = self._name(target)
        noted = {"how": self._how, "input": self._inputs.pop(name), "output": target.stat().st_size}
        self._write({"done": name, **noted, "fields": dict(fields)})

    def sweep(self) -> None:
        """Remove what killed runs left half written, in the folder and all below it."""
        for left in self._folder.rglob(TEMPORARY):
            with suppress(OSError):
                left.unlink()

    def _name(self, target: Path) -> str:
        return target.relative_to(self._folder).as_posix()

    def _write(self, event: Mapping[str, Any]) -> None:
        self._note(event)
        try:
            self._file.write(json.dumps(event).encode() + b"\n")
            self._file.flush()
        except OSError as error:
            raise OutputError(f"Cannot write {self._file.name}: {error.strerror or error}.") from error

    def _note(self, event: Mapping[str, Any]) -> None:
        if "begin" in event:
            self._begun.add(event["begin"])
            self._done.pop(event["begin"], None)
        else:
            self._begun.add(event["done"])
            self._done[event["done"]] = {name: event[name] for name in ("how", "input", "output", "fields")}


def _state(path: Path) -> list[int]:
    found = os.stat(path)
    return [found.st_size, found.st_mtime_ns]
