"""One file or many: where results go, and what became of each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import click

from codectk.base.atomic import atomic_write, make_folder
from codectk.base.errors import InputError, UsageError
from codectk.base.inputs import STDIN, stdin_or
from codectk.base.outputs import Outputs
from codectk.base.progress import reporting
from codectk.cli.errors import State, tell
from codectk.cli.output import Bar, print_json, progress_bar

STDOUT = "-"
"""What names the standard output."""


@dataclass(frozen=True)
class Job:
    """One input and where its result goes.

    Attributes:
        source: path of the input, or "-" for the standard input.
        target: path of the output, or "-" for the standard output.
        makes_folder: the output's folder may be created.
    """

    source: str
    target: Path
    makes_folder: bool

    @property
    def to_stdout(self) -> bool:
        """Whether the result goes to the standard output, where nothing else may be printed then."""
        return str(self.target) == STDOUT

    def open(self) -> str | BinaryIO:
        """The input, for what reads it, once."""
        return stdin_or(self.source)

    def write(self, data: bytes) -> None:
        """Write the output, and make its folder where the user asked for a folder.

        Raises:
            OutputError: it cannot be written.
        """
        if self.to_stdout:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        if self.makes_folder:
            make_folder(self.target.parent)
        with atomic_write(self.target) as file:
            file.write(data)


@dataclass(frozen=True)
class Done:
    """What a job reports: one line for people, one mapping for --json."""

    line: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What became of a job.

    Attributes:
        report: for --json.
        code: exit code; 0 where all went well.
        fields: what the work told, if so.
    """

    report: dict[str, Any]
    code: int = 0
    fields: dict[str, Any] = field(default_factory=dict)


Work = Callable[[Job, Bar], Done]
"""Does one job; the bar takes its remarks and its progress, also what is told to `base.progress.report`."""


def plan(
    sources: Sequence[str], output: str, suffix: str, outputs: Outputs | None = None, *, in_place: bool = False
) -> list[Job]:
    """Choose the output of each input, and check them all before any work.

    `output` is a folder if it ends with a separator, exists as a folder, or there are several inputs; the results
    in it are named after the inputs, with `suffix`. "-" is the standard output, for one input.

    Args:
        sources: inputs.
        output: what the user gave.
        suffix: of files in a folder.
        outputs: what else the command reads and writes.
        in_place: an output may be an input, which is read before it is replaced.

    Raises:
        UsageError: two inputs would have the same output, an output is an input, several inputs meet a file name, or
            a name is empty.
        InputError: an input is a folder.
        OutputError: an output cannot be written.
    """
    outputs = outputs or Outputs()
    if not output:
        raise UsageError("The name of an output is empty.")
    for source in sources:
        if source == STDIN:
            continue
        if Path(source).is_dir():
            advice = "" if in_place else "; with -r, all that is in it is taken"
            raise InputError(f"'{source}' is a folder{advice}.")
        outputs.read(source)
    if list(sources).count(STDIN) > 1:
        raise UsageError("The standard input, '-', can be read once.")
    if output == STDOUT:
        if len(sources) > 1:
            raise UsageError("Several inputs need a folder as output, not the standard output.")
        return [Job(sources[0], Path(STDOUT), False)]
    ends_as_folder = output.endswith(tuple(filter(None, (os.sep, os.altsep))))
    folder = Path(output)
    into_folder = ends_as_folder or folder.is_dir() or len(sources) > 1
    if into_folder and not ends_as_folder and not folder.is_dir() and (folder.exists() or folder.suffix):
        raise UsageError(f"Several inputs need a folder as output, such as '{folder.stem}{os.sep}', not '{output}'.")
    if into_folder:
        outputs.folder(output)
    jobs = []
    for source in sources:
        stem = "stdin" if source == STDIN else Path(source).stem
        target = folder / f"{stem}{suffix}" if into_folder else folder
        outputs.write(target, for_=source, makes_folder=into_folder, in_place=in_place)
        jobs.append(Job(source, target, into_folder))
    return jobs


def run(jobs: Sequence[Job], work: Work, state: State, *, as_json: bool) -> int:
    """Do all jobs, whatever becomes of the others.

    Returns:
        The highest exit code of any job.

    Raises:
        UsageError: the result and the JSON would both go to the standard output.
    """
    if as_json and any(job.to_stdout for job in jobs):
        raise UsageError("--json and '-o -' cannot share the standard output.")
    reports = []
    worst = 0
    with progress_bar(len(jobs)) as bar:
        for job in jobs:
            bar.start(Path(job.source).name)
            outcome = attempt(job, work, state, bar, as_json=as_json, alone=len(jobs) == 1)
            reports.append(outcome.report)
            worst = max(worst, outcome.code)
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


def attempt(job: Job, work: Work, state: State, bar: Bar, *, as_json: bool, alone: bool = False) -> Outcome:
    """Do one job, and say what became of it.

    Args:
        job, work, state, bar: as for `run`.
        as_json: say nothing of what went well.
        alone: there is no other, so that errors need not name it.
    """
    try:
        with reporting(bar.within):
            done = work(job, bar)
    except Exception as error:
        told = tell(error, state, "" if alone else job.source, bar.warn)
        report = {"input": job.source, "error": {"code": told.code, "message": told.message}}
        return Outcome(report, told.exit_code)
    if job.to_stdout:
        bar.warn(done.line)
    elif not as_json:
        bar.say(done.line)
    return Outcome({"input": job.source, "output": str(job.target), **done.fields}, 0, done.fields)
