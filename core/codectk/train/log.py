"""The training log: JSON lines on disk, each the mean over the steps since the line before."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from codectk.base.atomic import atomic_write
from codectk.base.errors import InputError
from codectk.base.plain import to_json

Record = dict[str, Any]

PREFIX = "val_"
"""Of what a record says about pictures kept out; it has a step of its own and none of training's means."""


class Window:
    """Running means of what steps report.

    Args:
        state: from `state()`, to go on with a window that a checkpoint cut.
    """

    def __init__(self, state: Mapping[str, Any] | None = None):
        self.steps: int = state["steps"] if state else 0
        self.sums: dict[str, float] = dict(state["sums"]) if state else {}

    def add(self, row: Mapping[str, float]) -> None:
        self.steps += 1
        for key, value in row.items():
            self.sums[key] = self.sums.get(key, 0.0) + value

    def means(self) -> dict[str, float]:
        return {key: total / self.steps for key, total in self.sums.items()}

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps, "sums": dict(self.sums)}


class Log:
    """Appends records to a JSON-lines file.

    Args:
        path: the file; its folder must exist.
        start: steps done; later records, of a run that went on after its last checkpoint, are dropped first.

    Attributes:
        records: those that were kept.

    Raises:
        OutputError: the file cannot be written.
    """

    def __init__(self, path: Path, start: int):
        kept = [r for r in read_log(path) if r["step"] <= start] if path.exists() and start else []
        with atomic_write(path) as file:
            file.writelines(_line(record).encode() for record in kept)
        self.records = kept
        self._file = path.open("a", encoding="utf-8")

    def __enter__(self) -> Log:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, record: Record) -> None:
        """Append one record; `step` is required."""
        self._file.write(_line(record))
        self._file.flush()


def read_log(path: Path) -> list[Record]:
    """Records of a log; a last line cut off by a crash is ignored.

    Raises:
        InputError: no such file, or another line is not a record.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read the training log {path}: {getattr(error, 'strerror', error)}.") from error
    records: list[Record] = []
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            if not isinstance(record["step"], int):
                raise TypeError
        except (ValueError, KeyError, TypeError) as error:
            if number == len(lines):
                break
            raise InputError(f"Line {number} of {path} is not a record of a training log.") from error
        records.append(record)
    return records


def _line(record: Record) -> str:
    return to_json(record, indent=None) + "\n"
