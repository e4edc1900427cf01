"""What `codectk new` writes: whole, valid, and never over anything."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import numpy as np
import pytest

import codectk
from codectk.base.errors import OutputError, UsageError
from codectk.plugins import manager
from codectk.plugins.discover import discover
from codectk.spec.card import parse_card
from codectk.testing import scaffold
from codectk.testing.install import installed
from codectk.testing.pictures import scene

ROOT = Path(__file__).parents[2]
KINDS = ("codec", "torch", "component")


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_is_filled_and_valid(kind: scaffold.Kind):
    files = dict(scaffold.files("two-words", kind))
    assert {"README.md", "pyproject.toml", "codectk_two_words/card.toml"} < set(files)
    hooked = "codectk_two_words/plugin.py" in files
    assert any(path.startswith("tests/test_") for path in files)
    for path, text in files.items():
        assert text.endswith("\n") and "tmpl" not in path
        assert "@" not in text.replace("@hookimpl", "").replace("@pytest", "").replace(") @ ", "").replace(" @ _", "")
        if path.endswith(".py"):
            assert ast.get_docstring(ast.parse(text, path))
            assert max(map(len, text.splitlines())) <= 120
    project = tomllib.loads(files["pyproject.toml"])["project"]
    assert project["name"] == "codectk-two-words"
    assert project["entry-points"] == {"codectk": {"two-words": f"codectk_two_words{'.plugin' if hooked else ''}"}}
    card = parse_card(files["codectk_two_words/card.toml"], "card.toml")
    assert [codec.name for codec in card.codecs] == ([] if kind == "component" else ["two-words"])
    assert [component.id for component in card.components] == (["two-words.gmsd"] if kind == "component" else [])


def test_a_codec_with_a_hyphen_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CODECTK_PLUGINS", raising=False)
    picture = scene(50, 70)
    with installed(scaffold.create("two-words", folder=tmp_path / "here")):
        data = codectk.encode(picture, codec="two-words", quality=50)
        decoded = np.asarray(codectk.decode(data), np.float64)
        with pytest.raises(UsageError, match=r"'two-words' is taken by the installed plugin 'two-words' \(codectk-two"):
            scaffold.check_name("two-words")
    assert len(data) < picture.size / 6
    assert np.abs(decoded - picture).mean() < 3


@pytest.mark.slow
def test_a_torch_codec_passes_the_kit_before_it_is_trained(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    pytest.importorskip("torch", reason="the network is torch's")
    monkeypatch.delenv("CODECTK_PLUGINS", raising=False)
    with installed(scaffold.create("two-words", "torch", tmp_path / "here")) as folders:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path / "here")],
            env={**os.environ, "PYTHONPATH": os.pathsep.join([*folders, *sys.path])},
            capture_output=True,
            text=True,
            timeout=600,
        )
    assert done.returncode == 0 and " passed" in done.stdout, done.stdout


def test_a_component_can_be_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("CODECTK_PLUGINS", raising=False)
    with installed(scaffold.create("edges", "component", tmp_path / "here")):
        assert ("edges", "ok") in [(record.name, record.status) for record in discover()]
        assert manager.component("metric", "edges.gmsd", {"device": "cpu"})(scene(9, 9), scene(9, 9)) == 0


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "name is lower-case words"),
        ("Mine", "'Mine' is not"),
        ("my_codec", "'my_codec' is not"),
        ("7up", "starts with a letter"),
        ("a--b", "'a--b' is not"),
        ("a-", "'a-' is not"),
        ("../up", "'../up' is not"),
        ("x" * 41, "at most 40 characters"),
        ("codectk-mine", "give 'mine', not 'codectk-mine'"),
        ("class", "'class' is a word of Python"),
        ("segpic", "'segpic' is the codec of codectk-segpic."),
    ],
)
def test_bad_names_are_one_sentence(tmp_path: Path, name: str, sentence: str):
    with pytest.raises(UsageError) as caught:
        scaffold.create(name, folder=tmp_path / "here")
    message = str(caught.value)
    assert sentence in message and "\n" not in message and message.endswith(".")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("what", ["file", "folder", "dangling link"])
def test_nothing_is_overwritten(tmp_path: Path, what: str):
    target = tmp_path / "here"
    if what == "file":
        target.write_text("mine")
    elif what == "folder":
        target.mkdir()
    else:
        target.symlink_to(tmp_path / "nowhere")
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(OutputError, match="here exists already; give another folder with -o"):
        scaffold.create("mine", folder=target)
    assert sorted(tmp_path.rglob("*")) == before


def test_it_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(OutputError, match=r"Cannot write .*: No such file or directory"):
        scaffold.create("mine", folder=tmp_path / "missing" / "here")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(OutputError, match="No space left on device"):
        scaffold.create("mine", folder=tmp_path / "here")
    assert not list(tmp_path.iterdir())


def test_the_wheel_of_codectk_has_the_templates():
    wheel = pytest.importorskip("hatchling.builders.wheel", reason="hatchling is not there to list the wheel")
    builder = wheel.WheelBuilder(str(ROOT))
    packed = {Path(file.path) for file in builder.recurse_included_files()}
    templates = set((ROOT / "core/codectk/testing/templates").rglob("*.tmpl"))
    assert len(templates) >= 12 and templates <= packed
