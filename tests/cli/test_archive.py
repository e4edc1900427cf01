"""codectk encode -r and decode -r: whole folders, killed and gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

from codectk.base.journal import NAME
from codectk.testing import pictures

CODEC = ("--codec", "pocket")


@pytest.fixture
def tree(folder: Path, pocket: object) -> Path:
    """A folder `in` with five pictures in three folders, and a text."""
    for number, name in enumerate(("a.png", "b.PNG", "sub/a.png", "sub/deep/c.png", "sub/deep/d.jpg")):
        path = Path("in", name)
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pictures.scene(40 + number, 64)).save(path)
    Path("in/sub/notes.txt").write_text("no picture")
    return folder


def _files(top: str) -> dict[str, bytes]:
    """What is in a folder, but for the journal."""
    found = (path for path in Path(top).rglob("*") if path.is_file() and path.name != NAME)
    return {path.relative_to(top).as_posix(): path.read_bytes() for path in found}


ALL = {"a.ctk", "b.ctk", "sub/a.ctk", "sub/deep/c.ctk", "sub/deep/d.ctk"}


@pytest.mark.parametrize("jobs", [(), ("--jobs", "2")])
def test_a_tree_there_and_back(tree, run, jobs):
    result = run("encode", "in", "-r", "-o", "out", *CODEC, *jobs)
    assert result.code == 0 and "5 of 5 files done" in result.out and "0 failed" in result.out
    assert set(_files("out")) == ALL
    for name in ALL:
        source = next(Path("in").rglob(f"{Path(name).stem}.*")) if name != "sub/a.ctk" else Path("in/sub/a.png")
        assert run("encode", source, "-o", "alone.ctk", *CODEC).code == 0
        assert Path("out", name).read_bytes() == Path("alone.ctk").read_bytes()
    assert run("decode", "out", "-r", "-o", "back", *jobs).code == 0
    assert set(_files("back")) == {name.replace(".ctk", ".png") for name in ALL}


def test_what_has_not_changed_is_left_alone(tree, run):
    assert run("encode", "in", "-r", "-o", "out", *CODEC).code == 0
    before = {path: path.stat().st_ino for path in Path("out").rglob("*.ctk")}
    Image.fromarray(pictures.scene(90, 90)).save("in/a.png")
    Path("out/sub/a.ctk").unlink()
    again = run("encode", "in", "-r", "-o", "out", *CODEC)
    assert again.code == 0 and "2 of 5 files done" in again.out and "3 unchanged" in again.out
    same = {path for path, inode in before.items() if path.stat().st_ino == inode}
    assert same >= {Path("out/b.ctk"), Path("out/sub/deep/c.ctk"), Path("out/sub/deep/d.ctk")}
    assert "5 of 5 files done" in run("encode", "in", "-r", "-o", "out", *CODEC, "--quality", "20").out
    report = json.loads(run("encode", "in", "-r", "-o", "out", *CODEC, "--quality", "20", "--json").out)
    assert [one["unchanged"] for one in report] == [True] * 5 and all(one["bytes"] > 0 for one in report)


@pytest.mark.parametrize("jobs", [(), ("--jobs", "2")])
def test_failures_are_collected_and_tried_again(tree, run, jobs):
    Path("in/sub/bad.png").write_text("no picture")
    Path("in/z.png").write_text("no picture")
    first = run("encode", "in", "-r", "-o", "out", *CODEC, *jobs)
    assert first.code == 1 and set(_files("out")) == ALL
    assert first.err.count("codectk: error:") == 2 and "in/sub/bad.png" in first.err and "in/z.png" in first.err
    assert "5 of 7 files done" in first.out and "2 failed" in first.out
    shutil.copy("in/a.png", "in/z.png")
    second = run("encode", "in", "-r", "-o", "out", *CODEC, *jobs)
    assert second.code == 1 and "1 of 7 files done" in second.out and "5 unchanged, 1 failed" in second.out


def test_what_another_made_is_not_replaced(tree, run):
    Path("out").mkdir()
    Path("out/a.ctk").write_text("mine")
    result = run("encode", "in", "-r", "-o", "out", *CODEC)
    assert result.code == 1 and "not from this archive" in result.err and Path("out/a.ctk").read_text() == "mine"
    assert set(_files("out")) == ALL
    assert run("encode", "in", "-r", "-o", "out", *CODEC, "--overwrite").code == 0
    assert Path("out/a.ctk").read_text(errors="replace") != "mine"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("in", "-r", "-o", "-"), "not on the standard input or output"),
        (("-", "-r", "-o", "out"), "not on the standard input or output"),
        (("empty", "-r", "-o", "out"), "nothing to take in empty"),
        (("in", "in/sub", "-r", "-o", "out"), "would both be written to"),
        (("in", "-r", "-o", "in/a.png"), "is not a folder"),
    ],
)
def test_what_is_refused_before_any_work(tree, run, arguments, words):
    Path("empty").mkdir()
    before = _files("in")
    result = run("encode", *arguments, *CODEC)
    assert result.code in (1, 2) and words in result.err
    assert not Path("out").exists() and _files("in") == before


def test_one_run_at_a_time(tree, run):
    from codectk.base.journal import Journal

    Path("out").mkdir()
    with Journal(Path("out"), ""):
        result = run("encode", "in", "-r", "-o", "out", *CODEC)
    assert result.code == 1 and "Another codectk works on the folder 'out'" in result.err


def test_a_journal_that_was_cut_anywhere_is_gone_on_with(tree, run):
    assert run("encode", "in", "-r", "-o", "out", *CODEC).code == 0
    whole, wanted = Path("out", NAME).read_bytes(), _files("out")
    for cut in range(0, len(whole), 97):
        Path("out", NAME).write_bytes(whole[:cut])
        result = run("encode", "in", "-r", "-o", "out", *CODEC, "--overwrite")
        assert result.code == 0 and _files("out") == wanted


@pytest.mark.slow
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_killed_at_many_moments_it_ends_as_if_nothing_was(tree, run, jobs, pocket):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(pocket)}
    for number in range(12):
        Image.fromarray(pictures.scene(60 + number, 80)).save(f"in/p{number}.png")
    assert run("encode", "in", "-r", "-o", "whole", *CODEC).code == 0
    command = [sys.executable, "-m", "codectk", "encode", "in", "-r", "-o", "out", *CODEC, "--jobs", jobs]
    kills, pause = 0, 0.3
    while True:
        running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        seen = len(list(Path("out").rglob("*.ctk"))) if Path("out").exists() else 0
        started = time.monotonic()
        # Killed a moment after it has come further, so that slow machines get on, too.
        while running.poll() is None:
            now = len(list(Path("out").rglob("*.ctk"))) if Path("out").exists() else 0
            if now > seen or time.monotonic() - started > 60:
                time.sleep(pause * (kills % 4) / 30)
                running.send_signal(signal.SIGKILL)
                break
            time.sleep(0.001)
        code = running.wait()
        running.stderr.close()
        for path in Path("out").rglob("*.ctk"):
            assert path.read_bytes() == Path("whole", path.relative_to("out")).read_bytes()
        if code == 0:
            break
        assert code == -signal.SIGKILL
        kills += 1
    assert kills >= 3
    assert _files("out") == _files("whole")
    assert not [name for name in os.listdir("out") if name.endswith(".tmp")]
