"""A project appears and disappears without an installer; with one, it works as well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from codectk.plugins.discover import discover
from codectk.testing.install import installed

POCKET = Path(__file__).parents[1] / "third_party" / "codectk_pocket"


def _found() -> list[tuple[str, str, str]]:
    return [(r.distribution, r.version, r.status) for r in discover() if r.name == "pocket"]


def test_a_project_is_found_only_inside_the_block(monkeypatch):
    monkeypatch.delenv("CODECTK_PLUGINS", raising=False)
    before, path = _found(), list(sys.path)
    with installed(POCKET):
        assert ("codectk-pocket", "0.1.0", "ok") in _found()
        import codectk_pocket.plugin

        assert Path(codectk_pocket.plugin.__file__).is_relative_to(POCKET)
    assert (_found(), sys.path) == (before, path)
    assert "codectk_pocket" not in sys.modules


def test_a_subprocess_finds_it_and_never_imports_torch(pocket, tmp_path):
    program = (
        "import sys, codectk, numpy as np\n"
        "data = codectk.encode(np.zeros((5, 7, 3), np.uint8), codec='pocket')\n"
        "assert codectk.decode(data).size == (7, 5)\n"
        "assert 'torch' not in sys.modules\n"
        "print(codectk.info(data).codec_distribution)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", program], env=_environment(pocket), capture_output=True, text=True, cwd=tmp_path
    )
    assert (run.stdout.strip(), run.stderr) == ("codectk-pocket", "")


def _environment(folders: list[str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join([*folders, os.environ.get("PYTHONPATH", "")])}
