"""SegPIC without torch: the same latents whatever runs the graphs, and no torch in the process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch  # noqa: F401  (auto looks whether it is there)
from PIL import Image

import codectk
from codectk.base.errors import WeightsError
from codectk.light.backend import ChannelsFirst
from codectk.light.graphs import SUFFIX, GraphFile, Parts, configuration, read_graphs, write_graphs
from codectk.pipeline.codec import Codec
from codectk.testing.engines import assert_latents_agree, assert_pictures_agree
from codectk.weights.manifest import find_entry
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors, read_metadata
from codectk_segpic.light import LIGHT

GOLDEN = Path(__file__).parent / "golden" / "photo-192x128-q60.ctk"
PHOTO = Path(__file__).parents[3] / "examples" / "photo.png"
WEIGHTS = resolve(find_entry("codectk_segpic", "segpic-small"), "codectk_segpic")

PROBE = """
import json, sys
from codectk.cli.main import run
code = run(json.loads(sys.argv[1]))
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


def in_a_process_of_its_own(*command: str) -> set[str]:
    """Run a command line; the top-level modules that it imported."""
    result = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(command)],
        env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    code, modules = json.loads(result.stderr.splitlines()[-1])
    assert code == 0, result.stderr
    return {module.split(".")[0] for module in modules}


def test_the_command_line_decodes_and_encodes_without_torch(tmp_path: Path):
    decoded, file = tmp_path / "decoded.png", tmp_path / "file.ctk"
    decoding = in_a_process_of_its_own("decode", str(GOLDEN), "-o", str(decoded))
    encoding = in_a_process_of_its_own("encode", str(decoded), "-o", str(file), "--codec", "segpic", "--quality", "30")
    for modules in (decoding, encoding):
        assert "onnxruntime" in modules
        assert not modules & {"torch", "onnx", "scipy", "timm", "diffusers"}
    assert_pictures_agree(np.asarray(Image.open(decoded)), np.asarray(codectk.decode(GOLDEN, engine="torch")))
    assert_latents_agree(
        codectk.load("segpic", engine="torch"), codectk.load("segpic", engine="onnx"), file.read_bytes()
    )


def light(**settings: object) -> Codec:
    """The codec with session options of its own."""
    file = read_graphs(WEIGHTS.with_suffix(SUFFIX))
    assert file is not None
    parts = Parts(file, load_tensors(WEIGHTS), **settings)
    usual = codectk.load("segpic", engine="onnx")
    stages = LIGHT.wire(parts, file.configuration, usual.stages.weights_hash, ChannelsFirst())
    return Codec(stages, usual.card, usual.distribution, engine="onnx")


@pytest.mark.portable
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("optimized", [False, True])
def test_latents_are_the_same_however_graphs_are_run(threads: int, optimized: bool):
    from onnxruntime import GraphOptimizationLevel as Level

    level = Level.ORT_ENABLE_ALL if optimized else Level.ORT_DISABLE_ALL
    other = light(intra_op_num_threads=threads, graph_optimization_level=level)
    assert_latents_agree(codectk.load("segpic", engine="torch"), other, GOLDEN.read_bytes())


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
    write_graphs(GraphFile(damaged, *file[1:]))
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
