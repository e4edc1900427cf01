"""The progress bar, shown where a person is watching."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

SHOWN = (
    ("loss", "loss {:.4g}"),
    ("bpp", "{:.3f} bpp"),
    ("psnr", "PSNR {:.2f} dB"),
    ("adv", "adv. {:.3g}"),
    ("d_loss", "D {:.3g}"),
)

SMOOTHING = 50
"""Steps over which shown numbers are averaged."""


class Bar:
    """Steps done, time left, and recent means on stderr; silent if that is no terminal.

    Args:
        visible: False for processes other than the first.
    """

    def __init__(self, visible: bool = True):
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}", markup=False),
            console=Console(stderr=True),
            disable=not (visible and sys.stderr.isatty()),
            redirect_stdout=False,
            speed_estimate_period=120,
        )
        self._task = self._progress.add_task("", total=None, status="", visible=False)
        self._means: dict[str, float] = {}
        self._rows = 0

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def begin(self, what: str, total: int, done: int = 0) -> None:
        """Start over for another kind of work."""
        self._progress.remove_task(self._task)
        self._task = self._progress.add_task(what, total=total, completed=done, status="")

    def show(self, done: int, row: Mapping[str, float] | None = None) -> None:
        """Say how much is done, and take in what the latest step measured."""
        if row:
            self._rows += 1
            for key, value in row.items():
                mean = self._means.get(key, value)
                self._means[key] = mean + (value - mean) / min(self._rows, SMOOTHING)
        status = "  ".join(text.format(self._means[key]) for key, text in SHOWN if key in self._means)
        self._progress.update(self._task, completed=done, status=status)
