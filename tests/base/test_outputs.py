"""No output may be an input or another output, whatever their names are; what cannot be written is told before work."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from codectk.base.errors import OutputError, UsageError
from codectk.base.outputs import Outputs


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the file a, a symbolic and a hard link to it, and a link to the folder itself."""
    monkeypatch.chdir(tmp_path)
    Path("a").write_bytes(b"picture")
    os.symlink("a", "soft")
    os.link("a", "hard")
    os.symlink(".", "here")
    Path("sub").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", ["a", "soft", "hard", "./a", "here/a", "sub/../a", "here/sub/../a"])
def test_an_input_under_any_name_is_refused(place: Path, name: str):
    for path in (name, str(place / name)):
        with pytest.raises(UsageError, match="is an input and would be overwritten"):
            Outputs(["a"]).write(path)
        with pytest.raises(UsageError, match="is an input and would be overwritten"):
            outputs = Outputs()
            outputs.write(path)
            outputs.read("a")
        Outputs(["a"]).write(path, in_place=True)


@pytest.mark.parametrize("name", ["new", "./new", "here/new", "sub/../new", "sub/gone/../../new"])
def test_two_outputs_are_one_file_before_it_is_there(place: Path, name: str):
    outputs = Outputs(["a"])
    outputs.write("new", for_="one")
    with pytest.raises(UsageError, match="'one' and 'two' would both be written"):
        outputs.write(name, for_="two", makes_folder=True)
    outputs.write("new2")


def test_a_file_is_no_folder(place: Path):
    outputs = Outputs()
    outputs.folder("out")
    outputs.write("out/x", makes_folder=True)
    outputs.folder("out")
    with pytest.raises(UsageError, match="a file and a folder"):
        outputs.write("out")
    with pytest.raises(UsageError, match="a file and a folder"):
        outputs.folder("out/x")
    with pytest.raises(OutputError, match="is a folder"):
        outputs.write("sub")
    with pytest.raises(OutputError, match="is not a folder"):
        outputs.folder("a/b")


def test_nothing_is_named_by_an_empty_text(place: Path):
    for wrong in (lambda: Outputs([""]), lambda: Outputs().write(""), lambda: Outputs().folder("")):
        with pytest.raises(UsageError, match="empty"):
            wrong()


def test_what_cannot_be_written_is_told_at_once(place: Path):
    with pytest.raises(OutputError, match="no folder 'gone'"):
        Outputs().write("gone/x")
    os.chmod("a", 0o444)
    with pytest.raises(OutputError, match="read-only"):
        Outputs().write("a")
    with pytest.raises(OutputError, match="Cannot write"):
        Outputs().write("x\0y")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_pipes_and_devices_are_no_files(place: Path):
    os.mkfifo("pipe")
    outputs = Outputs(["pipe", os.devnull])
    outputs.write(os.devnull)
    outputs.write(os.devnull)
