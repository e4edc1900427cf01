"""The training log: JSON lines on disk, a rich bar on a terminal."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class TrainingLog:
    """Appends records to `path` and shows them; silent when stderr is not a terminal.

    Args:
        path: JSON-lines file; records from `start` on are dropped first, so a resumed run does not repeat steps.
        start, total: steps done and steps in all.
    """

    def __init__(self, path: Path, start: int, total: int):
        path.parent.mkdir(parents=True, exist_ok=True)
        kept = [r for r in read_log(path) if r["step"] <= start] if path.exists() else []
        self._file = path.open("w", encoding="utf-8")
        for record in kept:
            self._write(record)
        self._bar = Progress(
            TextColumn("[bold]{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}"),
            disable=not sys.stderr.isatty(),
            transient=False,
        )
        self._task = self._bar.add_task("train", total=total, completed=start, status="")

    def __enter__(self) -> TrainingLog:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        self._file.close()

    def advance(self, step: int) -> None:
        self._bar.update(self._task, completed=step)

    def record(self, **fields: Any) -> None:
        """Log one line; `step` is required."""
        self._write(fields)
        shown = (f"{key} {fields[key]:.4g}" for key in ("loss", "bpp", "psnr") if key in fields)
        self._bar.update(self._task, status=" ".join(shown))

    def _write(self, fields: dict[str, Any]) -> None:
        self._file.write(json.dumps(fields) + "\n")
        self._file.flush()


def read_log(path: Path) -> list[dict[str, Any]]:
    """Records of a log; a last line cut off by a crash is ignored."""
    records = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            records.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return records
