"""A fresh environment: Python with codectk and what tests need, into which pip can install without a network."""

from __future__ import annotations

import os
import shutil
import subprocess
import sysconfig
import venv
from dataclasses import dataclass
from pathlib import Path

import pytest

import codectk

ROOT = Path(__file__).parents[2]

COMMANDS = {"codectk": "codectk", "pip": "pip", "pytest": "pytest"}
"""Commands of the environment, and the modules they run."""


@dataclass(frozen=True)
class Environment:
    """A virtual environment that sees what this one has; what is installed into it stays in it."""

    bin: Path
    variables: dict[str, str]

    def run(self, command: str, cwd: Path) -> str:
        """Run a line of shell, which must succeed, and return what it wrote."""
        done = subprocess.run(
            command,
            shell=True,
            cwd=cwd,
            env=self.variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, f"$ {command}\n{done.stdout}"
        return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A new one for each file of tests."""
    for module in ("pip", "hatchling"):
        pytest.importorskip(module, reason=f"{module} is not there to install plugins with")
    folder = tmp_path_factory.mktemp("fresh") / "venv"
    venv.create(folder, symlinks=os.name == "posix")
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if os.name == "nt":
        pytest.skip("the commands of this environment are shell scripts")
    for name, module in COMMANDS.items():
        script = python.parent / name
        script.write_text(f'#!/bin/sh\nexec "{python}" -m {module} "$@"\n')
        script.chmod(0o755)
    site = next(folder.glob("lib/python*/site-packages"))
    seen = [sysconfig.get_paths()["purelib"], str(Path(codectk.__file__).parents[1])]
    # The first is read with its own .pth files, so that projects installed for editing are seen too.
    (site / "outer.pth").write_text(f"import site; site.addsitedir({seen[0]!r})\n{seen[1]}\n")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CODECTK_", "PIP_", "PYTEST_"))}
    return Environment(
        python.parent,
        {
            **kept,
            "PATH": os.pathsep.join([str(python.parent), os.environ.get("PATH", "")]),
            "PIP_NO_INDEX": "1",
            "PIP_NO_DEPS": "1",  # what plugins need is there
            "PIP_NO_BUILD_ISOLATION": "0",  # pip's way to say in a variable that there is to be none
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
            "OMP_NUM_THREADS": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    )


@pytest.fixture
def project(tmp_path: Path):
    """Copy a folder of the repository to where building leaves no traces."""

    def copy(path: str) -> Path:
        ignored = shutil.ignore_patterns("__pycache__", "build", "dist", "*.egg-info", ".*")
        return Path(shutil.copytree(ROOT / path, tmp_path / Path(path).name, ignore=ignored))

    return copy
