"""A store of the test's own, and fake packages that would betray being imported."""

import hashlib
import importlib
import json

import numpy as np
import pytest

pytest.importorskip("safetensors", reason="weights are safetensors files")

from codectk.weights.tensors import save_tensors


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The store's folder, which does not exist yet."""
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "weights"


@pytest.fixture
def weights_file(tmp_path):
    """weights_file(name, value=0) -> (path, sha256) of a small safetensors file."""

    def make(name, value=0):
        path = tmp_path / name
        save_tensors(path, {"layer.weight": np.full((2, 3), value, np.float32)}, {"made by": "a test"})
        return path, hashlib.sha256(path.read_bytes()).hexdigest()

    return make


@pytest.fixture
def package(tmp_path, monkeypatch):
    """package(manifest or None, files=()) -> folder of the importable package codectk_fakeweights."""

    def make(manifest, files=()):
        folder = tmp_path / "site" / "codectk_fakeweights"
        folder.mkdir(parents=True)
        (folder / "__init__.py").write_text("raise RuntimeError('the package was imported')")
        if manifest is not None:
            (folder / "weights.toml").write_text(manifest)
        for source in files:
            (folder / source.name).write_bytes(source.read_bytes())
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        importlib.invalidate_caches()
        return folder

    return make


@pytest.fixture
def manifest_text():
    """manifest_text(**changes) -> one [[weights]] table; None leaves a key out."""
    usual = {
        "name": "small",
        "file": "small.safetensors",
        "sha256": "ab" * 32,
        "bytes": 100,
        "licence": "CC-BY-4.0",
    }

    def make(**changes):
        # JSON's texts, numbers and lists are TOML's too.
        lines = [f"{key} = {json.dumps(value)}" for key, value in {**usual, **changes}.items() if value is not None]
        return "[[weights]]\n" + "\n".join(lines) + "\n"

    return make
