"""`python -m benchmarks`: every question is listed, says how it is asked, and shares its options with the others."""

from __future__ import annotations

import argparse
import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from benchmarks.__main__ import main, questions  # noqa: E402

sys.path.remove(str(ROOT))
NEEDS = {"hsc": "codectk_hsc", "sgc": "codectk_sgc", "ablation": "codectk_segpic", "exactness": "codectk_segpic"}


def test_questions_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    listed = capsys.readouterr().out
    assert len(questions()) > 12 and all(name in listed and line in listed for name, line in questions().items())
    assert main(["nothing"]) == 2 and "There is no benchmark 'nothing'" in capsys.readouterr().err


@pytest.mark.parametrize("name", questions())
def test_each_says_how_it_is_asked(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("torch")
    pytest.importorskip(NEEDS.get(name.split("_")[0], "codectk"))
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0 and f"python -m benchmarks {name}" in capsys.readouterr().out


def test_the_documents_name_benchmarks_that_exist() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
    named = {
        words.split()[0]
        for page in pages
        for words in page.read_text("utf-8").split("python -m benchmarks ")[1:]
        if words.split()[0].isidentifier()
    }
    assert named and named <= questions().keys()
    assert not [page for page in pages if "python benchmarks/" in page.read_text("utf-8")]


def test_options_can_be_changed(capsys: pytest.CaptureFixture[str]) -> None:
    common = importlib.import_module("benchmarks.common")
    parser = argparse.ArgumentParser()
    common.options(parser, "--kept-out", "-n", "--out", kept_out={"required": False}, n={"default": 7})
    found = parser.parse_args(["--out", "x"])
    assert (found.kept_out, found.n, found.out) == (None, 7, Path("x"))
    with pytest.raises(SystemExit):
        parser.parse_args([])


def test_results_say_where_they_come_from(tmp_path: Path) -> None:
    common = importlib.import_module("benchmarks.common")
    common.save(tmp_path / "r.json", {"rows": [float("inf")]}, [np.zeros((4, 4, 3), np.uint8)], more=("numpy",))
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["rows"] == [None] and len(found["set"]) == 64
    assert {"created", "command", "machine", "versions"} <= found.keys() and found["versions"]["numpy"]


def test_it_runs_from_the_command_line() -> None:
    done = subprocess.run([sys.executable, "-m", "benchmarks"], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0 and "kodak_rd" in done.stdout
