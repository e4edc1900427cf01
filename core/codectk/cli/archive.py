"""Whole folders: a tree of outputs like that of the inputs, several processes, and a journal to go on from."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

import click

from codectk import __version__
from codectk.base.atomic import make_folder
from codectk.base.errors import CodectkError, InputError, OutputError, UsageError
from codectk.base.inputs import STDIN
from codectk.base.journal import Journal
from codectk.base.outputs import Outputs
from codectk.base.parallel import in_order
from codectk.base.resources import current, resources
from codectk.cli.batch import STDOUT, Done, Job, Outcome, Work, attempt
from codectk.cli.errors import State
from codectk.cli.output import Bar, Recorder, print_json, progress_bar


def plan(sources: Sequence[str], output: str, suffix: str, kinds: Collection[str], outputs: Outputs) -> list[Job]:
    """The files in folders, and the place of each one's output; what is not of these kinds is left alone.

    Args:
        sources: folders, whose structure is kept, or files.
        output: the folder.
        suffix: of the outputs.
        kinds: suffixes of inputs in folders, in lower case.
        outputs: what else the command reads and writes.

    Raises:
        UsageError: two inputs would have the same output, an output is an input, there is no input, or an input or the
            output is not a place in the file system.
        InputError: a folder cannot be listed.
        OutputError: an output cannot be written.
    """
    if output == STDOUT or STDIN in sources:
        raise UsageError("-r works on files and folders, not on the standard input or output.")
    root = outputs.folder(output)
    found = [pair for source in sources for pair in _files(source, kinds)]
    if not found:
        raise UsageError(f"There is nothing to take in {', '.join(sources)}: no {', '.join(sorted(kinds))}.")
    for path, _ in found:
        outputs.read(path)
    jobs = []
    for path, inside in found:
        target = root / inside.with_suffix(suffix)
        outputs.write(target, for_=str(path), makes_folder=True)
        jobs.append(Job(str(path), target, True))
    return jobs


def run(
    jobs: Sequence[Job], work: Work, state: State, output: str, options: object, *, as_json: bool, overwrite: bool
) -> int:
    """Do all jobs that were not done yet, whatever becomes of the others.

    Args:
        jobs: from `plan`.
        work: what to do with each; it is sent to processes if `base.resources` allows several jobs.
        state: of the command line.
        output: the folder.
        options: plain values that decide about the outputs: what was made with others is made again.
        as_json: print JSON.
        overwrite: replace files that the journal does not know.

    Returns:
        The highest exit code of any job.

    Raises:
        OutputError: another process works on the folder, or its journal cannot be written.
    """
    make_folder(output)
    with Journal(Path(output), _fingerprint(options)) as journal, progress_bar(len(jobs)) as bar:
        journal.sweep()
        reports: dict[str, dict[str, Any]] = {}
        worst = read = written = 0

        def todo() -> Iterator[Job]:
            for job in jobs:
                noted = journal.unchanged(Path(job.source), job.target)
                if noted is not None:
                    reports[job.source] = {**_names(job), "unchanged": True, **noted}
                    bar.advance()
                    continue
                yield job

        def begin(job: Job) -> None:
            if job.target.exists() and not (overwrite or journal.owns(job.target)):
                raise OutputError(
                    f"'{job.target}' is there already, and not from this archive; --overwrite replaces it."
                )
            journal.begin(Path(job.source), job.target)

        for job, outcome in _outcomes(todo(), begin, work, state, bar, as_json=as_json):
            reports[job.source] = outcome.report
            worst = max(worst, outcome.code)
            if outcome.code == 0:
                journal.done(job.target, outcome.fields)
                read += os.stat(job.source).st_size
                written += job.target.stat().st_size
            bar.start(f"{Path(job.source).name}, {read / 1e6:,.1f} MB became {written / 1e6:,.1f}")
            bar.advance()
    if as_json:
        print_json([reports[job.source] for job in jobs])
        return worst
    failed = sum("error" in report for report in reports.values())
    same = sum("unchanged" in report for report in reports.values())
    click.echo(
        f"{len(jobs) - failed - same} of {len(jobs)} files done ({read / 1e6:,.1f} MB became {written / 1e6:,.1f} MB), "
        f"{same} unchanged, {failed} failed."
    )
    return worst


def _outcomes(
    jobs: Iterable[Job], begin: Callable[[Job], None], work: Work, state: State, bar: Bar, *, as_json: bool
) -> Iterator[tuple[Job, Outcome]]:
    """Each job and what became of it, in their order."""
    allowed, once = current(), partial(attempt, state=state, as_json=as_json)

    def begun(job: Job) -> Outcome | None:
        """None where it may go on."""

        def first(job: Job, bar: Bar) -> Done:
            begin(job)
            return Done("", {})

        found = attempt(job, first, state, bar, as_json=True)
        return found if found.code else None

    if allowed.jobs == 1:
        for job in jobs:
            bar.start(Path(job.source).name)
            yield job, begun(job) or once(job, work, bar=bar)
        return

    def startable() -> Iterator[Job]:
        for job in jobs:
            if (refused := begun(job)) is not None:
                failed.append((job, refused))
            else:
                yield job

    failed: list[tuple[Job, Outcome]] = []
    share = None if allowed.max_memory is None else max(1, allowed.max_memory // allowed.jobs)
    limits = {"max_pixels": allowed.max_pixels, "max_memory": share, "jobs": 1}
    with _processes(allowed.jobs) as pool:
        try:
            for job, outcome, lines in in_order(
                pool, partial(_captured, once, work, limits), startable(), 2 * allowed.jobs
            ):
                yield from failed
                failed.clear()
                lines.replay(bar)
                yield job, outcome
        except BrokenProcessPool as error:
            raise CodectkError(
                "A process that worked on a file was killed, perhaps for want of memory; the same command goes on from "
                "there, best with fewer --jobs."
            ) from error
    yield from failed


def _captured(
    once: Callable[..., Outcome], work: Work, limits: dict[str, Any], job: Job
) -> tuple[Job, Outcome, Recorder]:
    lines = Recorder()
    with resources(**limits):
        return job, once(job, work, bar=lines), lines


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that end with this one, however it ends."""
    pool = ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _begin_process)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_process() -> None:
    from codectk.base.memory import keep_freed_memory

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is told, and tells the others
    keep_freed_memory()
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=(parent.sentinel,), daemon=True).start()


def _end_with(sentinel: Any) -> None:
    wait([sentinel])
    os._exit(1)


def _files(source: str, kinds: Collection[str]) -> Iterator[tuple[Path, Path]]:
    """The files that an input stands for, each with its place in the tree of outputs."""
    if not os.path.isdir(source):
        yield Path(source), Path(Path(source).name)
        return

    def unlisted(error: OSError) -> None:
        raise InputError(f"Cannot read the folder {error.filename}: {error.strerror}.") from error

    for folder, inner, names in os.walk(source, onerror=unlisted):
        inner.sort()
        for name in sorted(names):
            path = Path(folder, name)
            if path.suffix.lower() in kinds:
                yield path, path.relative_to(source)


def _fingerprint(options: object) -> str:
    text = json.dumps([__version__, options], sort_keys=True, default=sorted)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _names(job: Job) -> dict[str, str]:
    return {"input": job.source, "output": str(job.target)}
