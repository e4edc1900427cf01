"""Checkpoints in all layouts that CompressAI has had, and files that are none."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("compressai", reason="CompressAI is not installed here; `make test-compressai` runs these tests")

import torch
from compressai.zoo import image

from codectk.base.errors import WeightsError
from codectk.weights.store import sha256_of
from codectk_compressai.checkpoint import import_checkpoint
from codectk_compressai.presets import PRESETS

ANCHOR = PRESETS["compressai.cheng2020-anchor-q1"]
MEAN = PRESETS["compressai.mbt2018-mean-q4"]
OTHER = PRESETS["compressai.mbt2018-mean-ms-ssim-q4"]


@pytest.fixture
def save(tmp_path: Path) -> Callable[..., Path]:
    def do(content: Any, name: str = "some.pth.tar") -> Path:
        torch.save(content, tmp_path / name)
        return tmp_path / name

    return do


def old_names(state: dict[str, Any]) -> dict[str, Any]:
    """The names of CompressAI 1.0."""
    for new, old in (("biases", "_biases"), ("matrices", "_matrices"), ("factors", "_factors")):
        state = {k.replace(f"entropy_bottleneck.{new}.", f"entropy_bottleneck.{old}."): v for k, v in state.items()}
    return {name.replace(".skip.", ".downsample."): value for name, value in state.items()}


def middle_names(state: dict[str, Any]) -> dict[str, Any]:
    """The names of CompressAI 1.1 and 1.2."""
    for new, old in (("biases.", "_bias"), ("matrices.", "_matrix"), ("factors.", "_factor")):
        state = {k.replace(f"entropy_bottleneck.{new}", f"entropy_bottleneck.{old}"): v for k, v in state.items()}
    return state


LAYOUTS = {
    "training code": lambda state: {"epoch": 3, "state_dict": state, "optimizer": {"state": {}}},
    "network": lambda state: {"network": state},
    "data parallel": lambda state: {f"module.{name}": value for name, value in state.items()},
    "1.0": old_names,
    "1.1": middle_names,
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout: str, lively: Callable[..., Any], save: Callable[..., Path]):
    state = lively("cheng2020-anchor").state_dict()
    wanted, _ = import_checkpoint(ANCHOR, save(dict(state)))
    changed = LAYOUTS[layout](dict(state))
    assert list(changed) != list(state)
    found, metadata = import_checkpoint(ANCHOR, path := save(changed, "other.pth.tar"))
    assert found.keys() == wanted.keys() and all(np.array_equal(found[name], wanted[name]) for name in wanted)
    assert metadata == {
        "architecture": "cheng2020-anchor",
        "config": "N=16, M=16",
        "source_sha256": sha256_of(path),
    }


def test_tables_of_an_earlier_epoch_are_not_used(lively: Callable[..., Any], save: Callable[..., Path]):
    model = copy.deepcopy(lively("mbt2018-mean"))
    wanted, _ = import_checkpoint(MEAN, save(model.state_dict()))
    model.update(force=True)
    state = model.state_dict()
    for name in ("entropy_bottleneck", "gaussian_conditional"):
        assert state[f"{name}._quantized_cdf"].numel()
        state[f"{name}._quantized_cdf"] = state[f"{name}._quantized_cdf"] // 3
    found, _ = import_checkpoint(MEAN, save(state))
    assert all(np.array_equal(found[name], wanted[name]) for name in wanted)


def test_tables_of_another_machine_are_taken(lively: Callable[..., Any], save: Callable[..., Path]):
    """Else the same checkpoint would have another hash here."""
    model = copy.deepcopy(lively("mbt2018-mean"))
    model.update(force=True)
    state = model.state_dict()
    for name in ("entropy_bottleneck", "gaussian_conditional"):
        state[f"{name}._quantized_cdf"][3, 2] += 1
    scales = state["gaussian_conditional.scale_table"] = state["gaussian_conditional.scale_table"] * (1 + 1e-6)
    found, _ = import_checkpoint(MEAN, save(state))
    assert np.array_equal(found["gaussian_conditional.scale_table"], scales)
    for name in ("entropy_bottleneck", "gaussian_conditional"):
        counts = found[f"tables.{name}.frequencies"][3].cumsum()
        cdf = state[f"{name}._quantized_cdf"][3].numpy()
        assert np.array_equal(counts[: np.flatnonzero(cdf)[-1]], cdf[1 : np.flatnonzero(cdf)[-1] + 1])


class Runs:
    """A pickle of this makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_what_is_no_checkpoint_is_refused(lively: Callable[..., Any], save: Callable[..., Path], tmp_path: Path):
    def refused(content: Any, match: str) -> None:
        with pytest.raises(WeightsError, match=match) as caught:
            import_checkpoint(MEAN, save(content))
        assert "\n" not in str(caught.value)

    state = lively("mbt2018-mean").state_dict()
    refused({**state, "more": Runs(tmp_path / "made")}, "could run code")
    assert not (tmp_path / "made").exists()
    refused([1, 2], "holds a list instead of tensors by name")
    refused({"epoch": 1}, "it lacks g_a.0.weight")
    refused({}, "no checkpoint of mbt2018-mean: it lacks g_a.0.weight")
    refused(lively("bmshj2018-hyperprior").state_dict(), "no checkpoint of mbt2018-mean: size mismatch for h_s")
    refused(lively("cheng2020-anchor").state_dict(), "no checkpoint of mbt2018-mean: it lacks g_a.0.weight")
    refused({**state, "extra": torch.zeros(1)}, "no checkpoint of mbt2018-mean: Unexpected key.*extra")
    refused({k: v for k, v in state.items() if k != "h_a.0.bias"}, "no checkpoint of mbt2018-mean: Missing key.*h_a.0")
    refused({**state, "h_a.0.bias": state["h_a.0.bias"] * torch.nan}, "'h_a.0.bias' has values that are not finite")
    wide = state["entropy_bottleneck.quantiles"] * 1e6
    refused({**state, "entropy_bottleneck.quantiles": wide}, "span more than")
    path = save(state)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(WeightsError, match="cannot be read as a checkpoint"):
        import_checkpoint(MEAN, path)


def test_published_files_are_known(lively: Callable[..., Any], save: Callable[..., Path], monkeypatch):
    state = lively("mbt2018-mean").state_dict()
    with pytest.raises(WeightsError, match="is damaged: its sha256 should start with 6dba02a3"):
        import_checkpoint(MEAN, save(state, "mbt2018-mean-4-6dba02a3.pth.tar"))
    path = save(state)
    url = f"https://example.org/mbt2018-mean-4-{sha256_of(path)[:8]}.pth.tar"
    monkeypatch.setitem(image.model_urls["mbt2018-mean"]["mse"], 4, url)
    assert import_checkpoint(MEAN, path)[1]["source"] == url.rsplit("/", 1)[1]
    with pytest.raises(WeightsError, match=r"published for 'compressai.mbt2018-mean-q4', not for '.*ms-ssim-q4'"):
        import_checkpoint(OTHER, path)
