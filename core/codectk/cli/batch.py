"""One file or many: where results go, and what became of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from codectk.base.errors import OutputError, UsageError
from codectk.base.progress import reporting
from codectk.cli.errors import State, tell
from codectk.cli.output import Bar, print_json, progress_bar


@dataclass(frozen=True)
class Job:
    """One input and the path of its output. `makes_folder`: the output's folder may be created."""

    source: str
    target: Path
    makes_folder: bool

    def prepare_folder(self) -> None:
        """Make the output's folder where the user asked for a folder.

        Raises:
            OutputError: it cannot be made.
        """
        if self.makes_folder:
            try:
                self.target.parent.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise OutputError(f"Cannot make folder {self.target.parent}: {error.strerror or error}.") from error


@dataclass(frozen=True)
class Done:
    """What a job reports: one line for people, one mapping for --json."""

    line: str
    fields: dict[str, Any]


Work = Callable[[Job, Bar], Done]
"""Does one job; the bar takes its remarks and its progress, also what is told to `base.progress.report`."""


def plan(sources: Sequence[str], output: str, suffix: str) -> list[Job]:
    """Choose the output of each input.

    `output` is a folder if it ends with a separator, exists as a folder, or there are several inputs; the results
    in it are named after the inputs, with `suffix`.

    Raises:
        UsageError: two inputs would have the same output, an output is an input, or several inputs meet a file name.
    """
    ends_as_folder = output.endswith(tuple(filter(None, (os.sep, os.altsep))))
    folder = Path(output)
    into_folder = ends_as_folder or folder.is_dir() or len(sources) > 1
    if into_folder and not ends_as_folder and not folder.is_dir() and (folder.exists() or folder.suffix):
        raise UsageError(f"Several inputs need a folder as output, such as '{folder.stem}{os.sep}', not '{output}'.")
    inputs = {identity for source in sources if (identity := _identity(source))}
    jobs: dict[Path, Job] = {}
    for source in sources:
        target = folder / f"{Path(source).stem}{suffix}" if into_folder else folder
        if target in jobs:
            raise UsageError(f"'{jobs[target].source}' and '{source}' would both be written to '{target}'.")
        if _identity(target) in inputs:
            raise UsageError(f"'{target}' is an input and would be overwritten.")
        jobs[target] = Job(source, target, into_folder)
    return list(jobs.values())


def run(jobs: Sequence[Job], work: Work, state: State, *, as_json: bool) -> int:
    """Do all jobs, whatever becomes of the others.

    Returns:
        The highest exit code of any job.
    """
    reports = []
    worst = 0
    with progress_bar(len(jobs)) as bar:
        for job in jobs:
            bar.start(Path(job.source).name)
            report, code = _one(job, work, state, bar, as_json=as_json, alone=len(jobs) == 1)
            reports.append(report)
            worst = max(worst, code)
            bar.advance()
    if as_json:
        print_json(single(reports))
    elif len(jobs) > 1:
        failed = sum("error" in report for report in reports)
        click.echo(f"{len(jobs) - failed} of {len(jobs)} files done" + (f", {failed} failed." if failed else "."))
    return worst


def single(reports: Iterable[Any]) -> Any:
    """Return what --json prints: the report itself if there is one, else the list."""
    listed = list(reports)
    return listed[0] if len(listed) == 1 else listed


def _one(job: Job, work: Work, state: State, bar: Bar, *, as_json: bool, alone: bool) -> tuple[dict[str, Any], int]:
    try:
        with reporting(bar.within):
            done = work(job, bar)
    except Exception as error:
        told = tell(error, state, "" if alone else job.source, bar.warn)
        return {"input": job.source, "error": {"code": told.code, "message": told.message}}, told.exit_code
    if not as_json:
        bar.say(done.line)
    return {"input": job.source, "output": str(job.target), **done.fields}, 0


def _identity(path: str | Path) -> tuple[int, int] | None:
    """What two names of one file have in common, or None if there is no such file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino
