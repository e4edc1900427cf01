"""Where the results of one or many inputs go."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codectk.base.errors import InputError, OutputError, UsageError
from codectk.cli.batch import plan


def _targets(sources: list[str], output: str) -> list[tuple[str, bool]]:
    return [(job.target.as_posix(), job.makes_folder) for job in plan(sources, output, ".ctk")]


def test_where_results_go(folder: Path):
    assert _targets(["a.png"], "x.ctk") == [("x.ctk", False)]
    assert _targets(["a.png"], "new/") == [("new/a.ctk", True)]
    assert _targets(["sub/a.b.png", "c"], "new") == [("new/a.b.ctk", True), ("new/c.ctk", True)]
    Path("there").mkdir()
    assert _targets(["a.png"], "there") == [("there/a.ctk", True)]
    Path("odd.d").mkdir()
    assert _targets(["a.png", "b.png"], "odd.d") == [("odd.d/a.ctk", True), ("odd.d/b.ctk", True)]


@pytest.mark.parametrize(
    ("sources", "output", "words"),
    [
        (["a.png", "b.png"], "x.ctk", "Several inputs need a folder"),
        (["a.png", "b.png"], "plainfile", "Several inputs need a folder"),
        (["a.png", "sub/a.jpg"], "new/", "'a.png' and 'sub/a.jpg' would both be written to"),
        (["a.png", "a.png"], "new/", "would both be written to"),
        (["a.ctk"], "a.ctk", "is an input and would be overwritten"),
        (["a.ctk"], ".", "is an input and would be overwritten"),
        (["a.ctk"], "link.ctk", "is an input and would be overwritten"),
    ],
)
def test_what_is_refused(folder: Path, sources: list[str], output: str, words: str):
    Path("plainfile").write_text("")
    Path("a.ctk").write_text("")
    os.symlink("a.ctk", "link.ctk")
    with pytest.raises(UsageError) as caught:
        plan(sources, output, ".ctk")
    assert words in str(caught.value)


def test_a_folder_as_an_input(folder: Path):
    with pytest.raises(InputError, match=r"^'\.' is a folder; with -r, all that is in it is taken\.$"):
        plan(["a.png", "."], "new/", ".ctk")
    with pytest.raises(InputError, match=r"^'\.' is a folder\.$"):
        plan(["."], "x.ctk", ".ctk", in_place=True)


def test_a_folder_is_made_only_where_one_was_asked_for(folder: Path):
    plan(["a.png"], "deep/er/", ".ctk")[0].write(b"x")
    assert Path("deep/er/a.ctk").read_bytes() == b"x"
    with pytest.raises(OutputError, match="no folder 'no'"):
        plan(["a.png"], "no/x.ctk", ".ctk")
    with pytest.raises(OutputError, match="Cannot make folder"):
        plan(["a.png"], "a.png/x/", ".ctk")
