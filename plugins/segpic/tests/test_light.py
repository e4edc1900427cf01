"""SegPIC without torch: graphs, what they hold, and how they are chosen. The kit compares engines."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch  # noqa: F401  (auto looks whether it is there)

import codectk
from codectk.base.errors import WeightsError
from codectk.light.backend import ChannelsFirst
from codectk.light.graphs import SUFFIX, GraphFile, Parts, configuration, read_graphs, write_graphs
from codectk.pipeline.codec import Codec
from codectk.weights.manifest import find_entry
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors, read_metadata
from codectk_segpic.light import LIGHT

GOLDEN = Path(__file__).parent / "golden" / "photo-192x128-q60.ctk"
ENTRY = find_entry("codectk_segpic", "segpic-small")
WEIGHTS = resolve(ENTRY, "codectk_segpic")


def test_other_weights_are_noticed():
    """One weight of another file: the decoder refuses instead of painting something else."""
    file, tensors = read_graphs(WEIGHTS.with_suffix(SUFFIX)), load_tensors(WEIGHTS)
    assert file is not None
    name = "entropy_model.h_scale_s.0.int_weight"
    tensors[name] = tensors[name].copy()
    tensors[name][3] *= -1
    usual = codectk.load("segpic", engine="onnx")
    stages = LIGHT.wire(Parts(file, tensors), file.configuration, usual.stages.weights_hash, ChannelsFirst())
    with pytest.raises(codectk.CodectkError, match=r"lost step|beyond|outside"):
        Codec(stages, usual.card, usual.distribution, engine="onnx").latents(GOLDEN.read_bytes())


def test_graphs_hold_no_weights_and_fit_their_configuration(tmp_path: Path):
    file = read_graphs(WEIGHTS.with_suffix(SUFFIX))
    assert file is not None
    assert file.configuration == configuration(read_metadata(WEIGHTS)) == {"config": "small"}
    assert WEIGHTS.with_suffix(SUFFIX).stat().st_size < 200_000
    lacking = load_tensors(WEIGHTS)
    del lacking["synthesis.g_s0.0.conv_a.0.conv.0.weight"]
    parts = Parts(file, lacking).under("synthesis")
    with pytest.raises(WeightsError, match=r"need synthesis\.g_s0\..*weight, which the weights lack"):
        parts.g_s0(np.zeros((1, 224, 4, 4), np.float32))
    with pytest.raises(AttributeError, match=r"no part synthesis\.g_s7"):
        _ = parts.g_s7
    damaged = tmp_path / "x.graphs"
    damaged.write_bytes(WEIGHTS.with_suffix(SUFFIX).read_bytes()[:5000])
    with pytest.raises(WeightsError, match="cannot be read"):
        read_graphs(damaged)
    assert read_graphs(tmp_path / "absent.graphs") is None
    with pytest.raises(WeightsError, match=f"damaged: expected sha256 {ENTRY.graphs_sha256}, found "):
        read_graphs(damaged, ENTRY.graphs_sha256)
    write_graphs(GraphFile(damaged, *file[1:]))
    assert read_graphs(damaged, ENTRY.graphs_sha256)
    assert damaged.read_bytes() == WEIGHTS.with_suffix(SUFFIX).read_bytes()


def test_engines_are_chosen():
    assert "torch" in sys.modules and codectk.load("segpic").engine == "torch"
    onnx = codectk.load("segpic", engine="onnx")
    assert onnx.engine == "onnx" and onnx.stages.network is None
    with pytest.raises(codectk.UsageError, match="no engine 'tensorflow'; engines are auto, torch, onnx"):
        codectk.load("segpic", engine="tensorflow")
    with pytest.raises(codectk.UsageError, match=r"no graphs for these weights on the device 'cuda'"):
        codectk.load("segpic", engine="onnx", device="cuda")
    with pytest.raises(codectk.UsageError, match=r"has no network of torch here; engine='torch' may load one"):
        _ = onnx.network
    with pytest.raises(codectk.UsageError, match=r"no gradients; load the codec with engine='torch'"):
        onnx.forward(np.zeros((1, 3, 64, 64), np.float32))
