"""Progress: a bar where a person is watching, else a plain line every half minute."""

from __future__ import annotations

import sys
import time
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

LINE_SECONDS = 30.0
"""Between two lines where there is no terminal."""


class Bar:
    """Steps done, time left, and recent means on stderr.

    Args:
        visible: False for processes other than the first.
    """

    def __init__(self, visible: bool = True):
        self._visible = visible
        self._terminal = sys.stderr.isatty()
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[status]}", markup=False),
            console=Console(stderr=True),
            disable=not (visible and self._terminal),
            redirect_stdout=False,
            speed_estimate_period=120,
        )
        self._task = self._progress.add_task("", total=None, status="", visible=False)
        self._means: dict[str, float] = {}
        self._rows = 0
        self._remark = ""
        self._plain = _Lines("", 0, 0)

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
        self._plain = _Lines(what, total, done)

    def remark(self, text: str) -> None:
        """What is shown behind the means from now on, such as the latest validation."""
        self._remark = text

    def show(self, done: int, row: Mapping[str, float] | None = None) -> None:
        """Say how much is done, and take in what the latest step measured."""
        if row:
            self._rows += 1
            for key, value in row.items():
                mean = self._means.get(key, value)
                self._means[key] = mean + (value - mean) / min(self._rows, SMOOTHING)
        status = [text.format(self._means[key]) for key, text in SHOWN if key in self._means]
        status += [self._remark] if self._remark else []
        self._progress.update(self._task, completed=done, status="  ".join(status))
        if self._visible and not self._terminal and (line := self._plain.due(done, status)):
            print(f"codectk: {line}", file=sys.stderr, flush=True)


class _Lines:
    """When to say what in plain lines."""

    def __init__(self, what: str, total: int, done: int):
        self._what, self._total, self._first = what, total, done
        self._began = self._said = time.monotonic()

    def due(self, done: int, status: list[str]) -> str:
        """A line, if it is time for one."""
        now = time.monotonic()
        if now - self._said < LINE_SECONDS or done <= self._first:
            return ""
        self._said = now
        left = (now - self._began) / (done - self._first) * (self._total - done)
        return ", ".join([f"{self._what}: {done} of {self._total}", *status, f"{_span(left)} left"])


def _span(seconds: float) -> str:
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 90 else f"{hours} h"
