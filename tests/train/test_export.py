"""From a checkpoint to weights that code."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from codectk.base.errors import TrainingError, WeightsError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder
from codectk.nn.coders import Meter
from codectk.nn.storage import install
from codectk.pipeline.program import analyze, code, forward, synthesize
from codectk.plugins import manager
from codectk.train.checkpoint import load_checkpoint, save_checkpoint
from codectk.train.exporting import export
from codectk.train.loop import CHECKPOINT
from codectk.train.settings import from_dict
from codectk.weights.tensors import load_tensors, read_metadata


def test_what_the_file_says(finished: Path, recipe, tmp_path: Path):
    path = tmp_path / "Tiny.safetensors"
    done = export(finished / CHECKPOINT, path)
    data = path.read_bytes()
    assert (done.bytes, done.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert (done.codec, done.step) == ("segpic", 12)
    metadata = read_metadata(path)
    assert metadata["codec"] == "segpic" and metadata["config"] == "small" and metadata["step"] == "12"
    assert json.loads(metadata["options"]) == recipe().codec.options
    told = from_dict(json.loads(metadata["recipe"]))
    assert replace(told, data=replace(told.data, paths=[])) == recipe()
    (pictures,) = told.data.paths
    assert pictures.count("/") == 1, "the rest of a path is nobody else's business"
    entry = done.entry("CC0-1.0")
    assert entry.name == "tiny" and entry.file == "weights/Tiny.safetensors" and entry.sha256 == done.sha256
    export(finished / CHECKPOINT, tmp_path / "again.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == data


def test_paths_of_the_training_machine_stay_there(finished: Path, tmp_path: Path):
    state = load_checkpoint(finished / CHECKPOINT)
    state["recipe"]["stage"]["start"] = "/home/someone/runs/first/checkpoint.pt"
    save_checkpoint(tmp_path / CHECKPOINT, state)
    export(tmp_path / CHECKPOINT, tmp_path / "tiny.safetensors")
    recipe = read_metadata(tmp_path / "tiny.safetensors")["recipe"]
    assert "someone" not in recipe and json.loads(recipe)["stage"]["start"] == "first/checkpoint.pt"


def test_average_or_raw(finished: Path, tmp_path: Path):
    export(finished / CHECKPOINT, tmp_path / "average.safetensors")
    export(finished / CHECKPOINT, tmp_path / "raw.safetensors", raw=True)
    state = load_checkpoint(finished / CHECKPOINT)
    key = "synthesis.linear.conv.weight"  # stored in float16; most others are compact
    for name, weights in (("average", state["ema"]["values"]), ("raw", state["network"])):
        stored = load_tensors(tmp_path / f"{name}.safetensors")[key]
        np.testing.assert_array_equal(stored, weights[key].numpy().astype(np.float16))
    assert not torch.equal(state["ema"]["values"][key], state["network"][key])


def test_what_was_exported_codes(finished: Path, tmp_path: Path):
    """A picture goes through real bits and comes back as the meter's program sees it."""
    export(finished / CHECKPOINT, tmp_path / "tiny.safetensors")
    network = manager.network("segpic", json.loads(read_metadata(tmp_path / "tiny.safetensors")["options"]))
    install(network, load_tensors(tmp_path / "tiny.safetensors"))
    codec = network.codec()
    x = torch.rand(1, 3, 128, 64, generator=torch.Generator().manual_seed(1))
    ctx = Context(128, 64, {"quality": 60.0, "grid": 2})
    with torch.no_grad():
        encoder = Encoder()
        code(codec, encoder, analyze(codec, x, ctx), ctx)
        (payload,) = encoder.finish()
        decoder = Decoder([payload])
        decoded = synthesize(codec, code(codec, decoder, None, ctx), ctx)
        decoder.finish()
        expected = forward(codec, x, Meter(), ctx).x
    assert len(payload) > 20
    torch.testing.assert_close(decoded, expected, rtol=0, atol=1e-6)


def test_what_cannot_be_exported(finished: Path, tmp_path: Path):
    path = tmp_path / "tiny.safetensors"
    with pytest.raises(TrainingError, match="There is no checkpoint"):
        export(tmp_path / CHECKPOINT, path)
    state = load_checkpoint(finished / CHECKPOINT)
    del state["ema"]["values"]["g_sb.0.bias"]
    save_checkpoint(tmp_path / CHECKPOINT, state)
    with pytest.raises(TrainingError, match=r"does not fit the network of codec 'segpic'.*g_sb\.0\.bias"):
        export(tmp_path / CHECKPOINT, path)
    state = load_checkpoint(finished / CHECKPOINT)
    state["ema"]["values"]["g_sb.0.bias"][0] = torch.inf
    save_checkpoint(tmp_path / CHECKPOINT, state)
    with pytest.raises(WeightsError, match=r"g_sb\.0\.bias"):
        export(tmp_path / CHECKPOINT, path)
    assert not path.exists()
