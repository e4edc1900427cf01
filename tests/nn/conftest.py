"""What the tests of the torch room share."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from codectk.testing.threads import torch_threads

MATRIX = Path(__file__).parents[2] / "benchmarks" / "exactness.py"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Small tensors gain nothing from more; tests that want two say so."""
    with torch_threads(1):
        yield


@pytest.fixture(scope="session")
def matrix() -> ModuleType:
    """The script that makes the exactness matrix for the documentation."""
    pytest.importorskip("codectk_segpic")
    spec = importlib.util.spec_from_file_location("codectk_benchmark_exactness", MATRIX)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclasses look themselves up here
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def fresh_python() -> Callable[[str], str]:
    """Runs a program in a process of its own, which can import these test modules; returns what it prints."""

    path = [str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]

    def run(program: str) -> str:
        result = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert result.returncode == 0, result.stderr
        print(result.stderr)  # shown if the test fails
        return result.stdout.strip()

    return run
