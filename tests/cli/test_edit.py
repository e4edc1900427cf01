"""codectk edit, and what info shows of it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from codectk import api


@pytest.fixture
def peeled(folder: Path, onion: object, run) -> Path:
    """The working folder with a.ctk, made from a.png by the codec that has layers and edits."""
    assert run("encode", "a.png", "-o", "a.ctk", "--codec", "onion", "--quality", 60, "--aligned").code == 0
    return folder


def test_there_and_back(peeled: Path, run):
    result = run("edit", "a.ctk", "--set", "light=+1.5", "--set", "warm=-1", "-o", "b.ctk")
    size = Path("b.ctk").stat().st_size
    assert (result.code, result.err) == (0, "")
    assert result.out == f"a.ctk -> b.ctk: {size:,} bytes, light +1.5, warm -1\n"
    assert not np.array_equal(np.asarray(api.decode("a.ctk")), np.asarray(api.decode("b.ctk")))
    assert "light +1.5, warm -1" in run("info", "b.ctk").out
    result = run("edit", "b.ctk", "--clear", "-o", "c.ctk")
    assert result.out.endswith("no edits\n") and Path("c.ctk").read_bytes() == Path("a.ctk").read_bytes()


def test_in_place_and_one_by_one(peeled: Path, run):
    before = Path("a.ctk").read_bytes()
    assert run("edit", "a.ctk", "--set", "light=2", "-o", "a.ctk").code == 0
    report = json.loads(run("edit", "a.ctk", "--set", "warm=0.5", "-o", "a.ctk", "--json").out)
    assert report["edits"] == {"light": 2.0, "warm": 0.5} and report["output"] == "a.ctk"
    assert report["bytes"] == Path("a.ctk").stat().st_size
    report = json.loads(run("edit", "a.ctk", "--clear", "--set", "warm=1", "-o", "a.ctk", "--json").out)
    assert report["edits"] == {"warm": 1.0}
    assert run("edit", "a.ctk", "--set", "warm=0", "-o", "a.ctk").code == 0
    assert Path("a.ctk").read_bytes() == before


def test_what_there_is_to_edit(peeled: Path, run):
    result = run("edit", "--list", "--codec", "onion")
    assert result.code == 0 and "light" in result.out and "-4 to +4" in result.out and "8 grey levels" in result.out
    run("edit", "a.ctk", "--set", "light=-3", "-o", "a.ctk")
    assert "-3" in run("edit", "a.ctk", "--list").out
    light, warm = json.loads(run("edit", "a.ctk", "--list", "--json").out)
    assert light == {
        "name": "light", "summary": "brighter or darker", "minimum": -4, "maximum": 4, "unit": "8 grey levels",
        "amount": -3.0,
    }  # fmt: skip
    assert warm["amount"] == 0.0


def test_nothing_to_edit(ctk: Path, run):
    for args in (("a.ctk", "--list"), ("--list", "--codec", "pocket")):
        result = run("edit", *args)
        assert result.code == 0 and "nothing to edit" in result.out


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("a.ctk", "--set", "smile=1", "-o", "b.ctk"), 2, "no edit 'smile'; it has light, warm"),
        (("a.ctk", "--set", "light=9", "-o", "b.ctk"), 2, "takes -4 to 4, not 9"),
        (("a.ctk", "--set", "light", "-o", "b.ctk"), 2, "--set NAME=AMOUNT"),
        (("a.ctk", "--set", "light=1", "--set", "light=2", "-o", "b.ctk"), 2, "given twice"),
        (("a.ctk", "-o", "b.ctk"), 2, "Give a file and --set"),
        (("--clear", "-o", "b.ctk"), 2, "Give a file and --set"),
        (("a.ctk", "--clear"), 2, "with -o"),
        (("a.ctk", "--clear", "-o", "b.png"), 1, "b.png"),
        (("a.ctk", "--clear", "-o", "nowhere/b.ctk"), 1, "nowhere/b.ctk"),
        (("a.png", "--clear", "-o", "b.ctk"), 3, "not a .ctk file"),
        (("missing.ctk", "--clear", "-o", "b.ctk"), 1, "missing.ctk"),
        (("--list",), 2, "Give a file or --codec"),
        (("a.ctk", "--list", "--codec", "onion"), 2, "Give a file or --codec"),
        (("a.ctk", "--list", "--clear"), 2, "--list only lists"),
        (("a.ctk", "--clear", "--codec", "onion", "-o", "b.ctk"), 2, "--codec belongs to --list"),
        (("--list", "--codec", "nobodys"), 5, "nobodys"),
    ],
)
def test_what_cannot_be(peeled: Path, run, args: tuple[str, ...], code: int, words: str):
    result = run("edit", *args)
    assert (result.code, result.out) == (code, "") and words in result.err and result.err.count("\n") == 1
    assert not Path("b.ctk").exists()


def test_a_file_in_the_way_stays_if_the_edit_fails(peeled: Path, run):
    Path("b.ctk").write_bytes(b"mine")
    assert run("edit", "a.ctk", "--set", "light=9", "-o", "b.ctk").code == 2
    assert Path("b.ctk").read_bytes() == b"mine"


def test_info_needs_no_plugin_to_show_edits(peeled: Path, run, monkeypatch):
    run("edit", "a.ctk", "--set", "light=1", "-o", "a.ctk")
    monkeypatch.setenv("CODECTK_PLUGINS", "none-of-these")
    assert json.loads(run("info", "a.ctk", "--json").out)["edits"] == {"light": 1.0}
    assert run("edit", "a.ctk", "--clear", "-o", "b.ctk").code == 0
    assert run("edit", "a.ctk", "--set", "light=2", "-o", "b.ctk").code == 5
