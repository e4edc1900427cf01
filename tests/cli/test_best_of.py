"""codectk encode --best-of, and what a person sees of work that takes long."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from codectk import api
from codectk.base.progress import report
from codectk.cli import output

GRAIN = ("--codec", "grain")


def test_the_best_seed_is_written_and_told(folder: Path, grain, run):
    told = run("encode", "a.png", "-o", "x.ctk", *GRAIN, "--best-of", "5", "--quality", "30")
    best = api.info("x.ctk").knobs["seed"]
    assert told.code == 0 and told.err == "" and told.out.endswith(f" s, seed {best}\n")
    assert Path("x.ctk").read_bytes() == api.encode("a.png", "grain", best_of=5, quality=30)
    report = json.loads(run("encode", "a.png", "-o", "y.ctk", *GRAIN, "--best-of", "2", "--seed", "40", "--json").out)
    assert report["seed"] in (40, 41) and report["seed"] == api.info("y.ctk").knobs["seed"]
    assert "seed" not in run("encode", "a.png", "-o", "z.ctk", *GRAIN, "--json").out


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((*GRAIN, "--best-of", "0"), "0 is not in the range x>=1"),
        ((*GRAIN, "--best-of", "many"), "'many' is not a valid integer"),
        ((*GRAIN, "--best-of", "3", "--target-bytes", "400"), "Give --best-of or a target, not both"),
        (("--codec", "pocket", "--best-of", "3"), "Codec 'pocket' has no seed that its files carry"),
    ],
)
def test_what_is_refused(folder: Path, grain, pocket, run, args: tuple[str, ...], words: str):
    Path("missing.png").unlink(missing_ok=True)
    result = run("encode", "missing.png", "-o", "x.ctk", *args)  # told before any picture is looked for
    assert result.code == 2 and words in result.err and result.err.count("\n") == 1
    assert not Path("x.ctk").exists()


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_steps_are_shown_on_a_terminal_and_nothing_in_a_pipe(folder: Path, grain):
    """However short the work is, its first step is drawn."""
    Image.open("a.png").resize((1024, 768)).save("large.png")
    seen, out = _on_a_terminal(grain, "encode", "b.png", "large.png", "-o", "out/", *GRAIN, "--best-of", "3")
    assert re.search(r"\b\d+/12\b", seen) and "1/2" in seen  # three tries of four steps, below the bar of files
    assert "\x1b" not in out and out.count("\n") == 3
    command = ("decode", "out/large.ctk", "-o", "x.png", "--steps", "40")
    seen, out = _on_a_terminal(grain, *command)
    assert re.search(r"steps .*\b\d+/40\b", seen) and "0/1" in seen and out.count("\n") == 1
    Path("r.toml").write_text('title = "G"\n[codec]\nname = "grain"\n[knobs]\nsteps = 40\n')
    seen, _ = _on_a_terminal(grain, "run", "r.toml", "large.png", "-o", "run", "--only", "encode")
    assert "/40" not in seen
    seen, _ = _on_a_terminal(grain, "run", "r.toml", "run/large.ctk", "-o", "run", "--only", "decode")
    assert re.search(r"steps .*\b\d+/40\b", seen)
    piped = subprocess.run(
        [sys.executable, "-m", "codectk", *command], env=_environment(grain), capture_output=True, text=True, timeout=60
    )
    assert piped.returncode == 0 and piped.stderr == "" and piped.stdout.count("\n") == 1


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> tuple[output.Bar, Progress]:
    """A bar over two files, and the rich progress that draws it; it is never started."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    progress = Progress(*columns, console=Console(file=io.StringIO(), force_terminal=True, width=100))
    return output._Rich(progress, 2), progress


def _rows(progress: Progress) -> list[tuple[str, float, float | None]]:
    return [(task.description, task.completed, task.total) for task in progress.tasks]


def test_the_bar_of_steps_comes_and_goes(screen):
    bar, progress = screen
    bar.start("a.ctk")
    assert _rows(progress) == [("a.ctk", 0, 2)]
    bar.within(1, 8, bytes=512, quality=33.333)
    assert _rows(progress)[1] == ("  bytes 512, quality 33.33", 1, 8)
    bar.within(2, 8)
    bar.within(1, 5)  # other work begins
    assert _rows(progress) == [("a.ctk", 0, 2), ("  steps", 1, 5)]
    bar.advance()
    assert _rows(progress) == [("a.ctk", 1, 2)]
    bar.start("b.ctk")
    bar.within(3)
    assert _rows(progress)[1] == ("  steps", 3, None)
    bar.advance()
    bar.advance()  # a file without steps
    assert _rows(progress) == [("b.ctk", 3, 2)]


def test_a_batch_listens_while_a_job_runs_and_not_after(folder: Path, monkeypatch: pytest.MonkeyPatch):
    from codectk.cli import batch
    from codectk.cli.errors import State

    heard = []

    class Screen(output._Plain):
        def within(self, done, total=None, **fields):
            heard.append((done, total))

    monkeypatch.setattr(output, "_Plain", Screen)

    def work(job, bar):
        report(1, 2)
        return batch.Done(job.source, {})

    assert batch.run(batch.plan(["a.png", "b.png"], "out/", ".ctk"), work, State(), as_json=True) == 0
    report(2, 2)
    assert heard == [(1, 2), (1, 2)]


def _environment(folders: Sequence[str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(folders), "TERM": "xterm", "COLUMNS": "100"}


def _on_a_terminal(folders: Sequence[str], *args: str) -> tuple[str, str]:
    """What a terminal on stderr gets, and stdout."""
    import pty

    screen, end = pty.openpty()
    with os.fdopen(screen, "rb", buffering=0) as terminal:
        process = subprocess.Popen(
            [sys.executable, "-m", "codectk", *args], env=_environment(folders), stdout=subprocess.PIPE, stderr=end
        )
        os.close(end)
        seen = b""
        try:
            while chunk := terminal.read(4096):
                seen += chunk
        except OSError:  # so Linux says that the other end is closed
            pass
        out = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 0, seen
    return seen.decode(errors="replace"), out
