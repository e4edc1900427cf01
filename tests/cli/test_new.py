"""codectk new: what it says, and what it refuses."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_and_says_what_comes_next(run, here: Path):
    result = run("new", "mine")
    assert (result.code, result.err) == (0, "")
    assert result.out.splitlines() == [
        "codectk-mine is a codec that works. Next:",
        "  pip install -e 'codectk-mine[test]'",
        "  pytest codectk-mine",
    ]
    assert (here / "codectk-mine" / "codectk_mine" / "entropy.py").is_file()


def test_a_component_in_a_folder_of_choice(run, here: Path):
    result = run("new", "edges", "--kind", "component", "-o", "there")
    assert result.code == 0 and "there is a component that works" in result.out
    assert (here / "there" / "codectk_edges" / "gmsd.py").is_file()


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("Bad Name",), 2, "'Bad Name' is not. [CTK-E200]"),
        (("egic",), 2, "'egic' is the codec of codectk-egic. [CTK-E200]"),
        (("mine", "--kind", "filter"), 2, "'filter' is not one of 'codec', 'torch', 'component'"),
        (("mine", "-o", "."), 1, "exists already; give another folder with -o. [CTK-E102]"),
    ],
)
def test_errors_are_one_line(run, here: Path, args: tuple[str, ...], code: int, words: str):
    result = run("new", *args)
    assert (result.code, result.out) == (code, "")
    assert words in result.err and result.err.count("\n") == 1
    assert not list(here.iterdir())
