"""docs/recipes.md does what it says: its files are written, its commands run, its recipes are the repository's."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from codectk.cli import main
from codectk.testing.pictures import scene

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "recipes.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w*) ?(.*)\n((?:.*\n)*?)```$", PAGE, re.M)

for package in ("torch", "codectk_segpic", "codectk_egic", "codectk_labels"):
    pytest.importorskip(package, reason="the page's recipes name it")


def pattern(shown: str) -> str:
    """What the page shows, where "..." stands for anything."""
    return ".*".join(re.escape(part) for part in shown.strip().split("..."))


def test_every_command_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.fromarray(scene(96, 120)).save("photo.png")
    commands = 0
    for language, mark, text in BLOCKS:
        if mark.startswith("file="):
            Path(mark.removeprefix("file=")).write_text(text)
        for command, shown in (
            re.findall(r"^\$ codectk (.*)\n((?:(?!\$ ).*\n)*)", text, re.M) if language == "console" else ()
        ):
            code = main.run(shlex.split(command))
            printed = capsys.readouterr()
            assert (code != 0) == ("error" in shown)
            assert re.search(pattern(shown), (printed.err if code else printed.out), re.S), command
            commands += 1
    assert commands == 3


def test_the_recipe_shown_is_the_one_in_the_repository():
    shown = next(text for _, _, text in BLOCKS if "labels.segmenter" in text)
    assert shown.strip() in (ROOT / "recipes" / "three-plugins.toml").read_text()


def test_every_recipe_is_listed():
    for path in (ROOT / "recipes").glob("h[0-9]*"):
        assert f"(../recipes/{path.name})" in PAGE
