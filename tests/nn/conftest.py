"""What the tests of the torch room share."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
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
