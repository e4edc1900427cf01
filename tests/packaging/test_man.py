"""The manual page is that of the commands there are."""

from __future__ import annotations

import importlib.util
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from codectk.cli.main import VERBS

FOLDER = Path(__file__).parents[2] / "packaging"


def _module():
    spec = importlib.util.spec_from_file_location("man", FOLDER / "man.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _headings(page: str) -> list[str]:
    """Verbs and options; how their texts are put differs between versions of click."""
    return re.findall(r"^(?:\.S[HS] .*|\\fB.*)$", page, re.M)


def test_the_page_is_fresh():
    text = (FOLDER / "codectk.1").read_text("utf-8")
    assert _headings(text) == _headings(_module().page()), "python packaging/man.py writes it anew"


def test_every_verb_and_its_options_are_on_the_page():
    text = (FOLDER / "codectk.1").read_text("utf-8")
    assert re.findall(r"^\.SH CODECTK (\w+)$", text, re.M) == [verb.upper() for verb in VERBS]
    for option in (r"\-\-recursive", r"\-\-max\-memory N", r"\-\-region X,Y,W,H", "CODECTK_OFFLINE"):
        assert option in text


def test_man_can_show_it():
    if shutil.which("groff") is None:
        pytest.skip("groff is not installed")
    command = ["groff", "-man", "-Tutf8", "-ww", str(FOLDER / "codectk.1")]
    shown = subprocess.run(command, capture_output=True, text=True, check=True)
    assert not shown.stderr and "--quality N" in re.sub(r".\x08|\x1b\[[0-9;]*m", "", shown.stdout)
