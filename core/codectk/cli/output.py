"""What verbs print: JSON, tables, and a progress bar where a person is watching."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import click

from codectk.base.plain import to_json

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

PIPE_WIDTH = 160
"""Columns of a table that does not go to a terminal."""


def print_json(value: Any) -> None:
    """Print a value as JSON on stdout."""
    click.echo(to_json(value))


def console(*, stderr: bool = False) -> Console:
    """Return a rich console that leaves text alone: no markup, no guesses at what to highlight."""
    from rich.console import Console

    class Quiet(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError  # for `codectk.cli.main`; rich would end the process here

    made = Quiet(stderr=stderr, markup=False, highlight=False, emoji=False)
    if not made.is_terminal:
        made.width = PIPE_WIDTH
    return made


def table(*columns: str, header: bool = True) -> Table:
    """Return an empty table in the house style; long cells fold instead of being cut."""
    from rich import box
    from rich.table import Table

    made = Table(box=box.SIMPLE_HEAD if header else None, show_header=header, show_edge=False, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def print_rows(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table with a header on stdout."""
    made = table(*columns)
    for row in rows:
        made.add_row(*row)
    console().print(made)


def print_pairs(pairs: Sequence[tuple[str, str]]) -> None:
    """Print names and values on stdout."""
    made = table("name", "value", header=False)
    for pair in pairs:
        made.add_row(*pair)
    console().print(made)


class Bar(Protocol):
    """A progress bar over files, and the lines printed above it."""

    def start(self, name: str) -> None:
        """Say which file is worked on."""
        ...

    def advance(self) -> None:
        """Count a file as finished."""
        ...

    def say(self, line: str) -> None:
        """Print a line on stdout."""
        ...

    def warn(self, line: str) -> None:
        """Print a line on stderr."""
        ...

    def ask(self, question: str) -> bool:
        """Ask on stderr for a yes or no; no is the default."""
        ...

    def within(self, done: int, total: int | None = None, **fields: object) -> None:
        """Show steps within the current file; a `codectk.base.progress.Progress`."""
        ...


class _Plain:
    """No bar: nobody is watching."""

    def start(self, name: str) -> None:
        pass

    def advance(self) -> None:
        pass

    def say(self, line: str) -> None:
        click.echo(line)

    def warn(self, line: str) -> None:
        click.echo(line, err=True)

    def ask(self, question: str) -> bool:
        return click.confirm(question, err=True)

    def within(self, done: int, total: int | None = None, **fields: object) -> None:
        pass


class Recorder:
    """A bar of another process: what is printed is kept, and printed by the one that has the screen."""

    def __init__(self) -> None:
        self._lines: list[tuple[str, str]] = []

    def start(self, name: str) -> None:
        pass

    def advance(self) -> None:
        pass

    def say(self, line: str) -> None:
        self._lines.append(("say", line))

    def warn(self, line: str) -> None:
        self._lines.append(("warn", line))

    def ask(self, question: str) -> bool:
        return False

    def within(self, done: int, total: int | None = None, **fields: object) -> None:
        pass

    def replay(self, bar: Bar) -> None:
        """Print what was kept."""
        for how, line in self._lines:
            getattr(bar, how)(line)


class _Rich:
    """A bar over the files, and below it one over the steps within the current file, once it has reported some."""

    def __init__(self, progress: Any, total: int) -> None:
        self._progress = progress
        self._task = progress.add_task("", total=total)
        self._steps: Any = None
        self._done = 0

    def start(self, name: str) -> None:
        self._progress.update(self._task, description=name)

    def advance(self) -> None:
        if self._steps is not None:
            self._progress.remove_task(self._steps)
            self._steps = None
        self._progress.advance(self._task)

    def say(self, line: str) -> None:
        # Through the bar's own console if both are the same screen, or the line would run into the bar.
        if sys.stdout.isatty():
            self.warn(line)
        else:
            click.echo(line)

    def warn(self, line: str) -> None:
        self._progress.console.print(line, soft_wrap=True)

    def ask(self, question: str) -> bool:
        self._progress.stop()  # what moves would run over the answer
        try:
            return click.confirm(question, err=True)
        finally:
            self._progress.start()

    def within(self, done: int, total: int | None = None, **fields: object) -> None:
        begins = self._steps is None
        if begins:
            self._steps = self._progress.add_task("", total=total)
        elif done < self._done:
            self._progress.reset(self._steps)  # other work begins, at another pace
        self._done = done
        told = ", ".join(f"{name} {_short(value)}" for name, value in fields.items())
        # The first is drawn at once: short work may be over before the bar would move by itself.
        self._progress.update(
            self._steps, completed=done, total=total, description=f"  {told or 'steps'}", refresh=begins
        )


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def plain() -> Bar:
    """What takes questions and lines where there is no bar."""
    return _Plain()


@contextmanager
def progress_bar(total: int) -> Iterator[Bar]:
    """Show a bar on stderr while files are worked on, if stderr is a terminal."""
    if not sys.stderr.isatty():
        yield _Plain()
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console(stderr=True), transient=True, redirect_stdout=False) as progress:
        yield _Rich(progress, total)
