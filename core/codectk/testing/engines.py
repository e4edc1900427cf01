"""What holds for a codec that also runs without torch."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image

from codectk.light.preset import load_light
from codectk.pipeline.codec import Codec
from codectk.pipeline.load import load
from codectk.plugins import manager
from codectk.spec.knob import Number
from codectk.testing.subject import CodecSubject

SAME_PIXELS = 0.999
"""Part of the pixels that both engines paint alike; the others differ by one level."""

HEAVY = {"torch", "onnx", "scipy", "timm", "diffusers"}
"""What a process without torch does not import."""

PROBE = """
import json, sys
from codectk.cli.main import run
code = run(json.loads(sys.argv[1]))
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""


class EngineConformance(CodecSubject):
    """Files pass between torch and graphs, both ways, if the codec's card names a light form.

    Attributes:
        paintings: decoder-side knobs with which both engines must paint alike.
    """

    paintings: ClassVar[Sequence[Mapping[str, Number]]] = ({},)

    def test_engines_agree(self) -> None:
        torch, onnx = self.engines()
        assert (torch.engine, onnx.engine) == ("torch", "onnx")
        image = self.picture(200, 136)
        encoders = ("torch", "onnx") if torch.card.light_encodes else ("torch",)
        for data in (self.encode(image, engine=engine) for engine in encoders):
            assert_latents_agree(torch, onnx, data)
            for painting in self.paintings:
                knobs: dict[str, Any] = dict(painting)
                assert_pictures_agree(*(np.asarray(one.decode(data, **knobs)) for one in (torch, onnx)))

    @pytest.mark.parametrize("threads", [1, 2])
    @pytest.mark.parametrize("optimized", [False, True])
    def test_latents_are_the_same_however_graphs_are_run(self, threads: int, optimized: bool) -> None:
        torch, onnx = self.engines()
        from onnxruntime import GraphOptimizationLevel as Level

        level = Level.ORT_ENABLE_ALL if optimized else Level.ORT_DISABLE_ALL
        stages = load_light(
            *manager.find_codec(self.codec), intra_op_num_threads=threads, graph_optimization_level=level
        )
        assert stages is not None
        assert_latents_agree(torch, replace(onnx, stages=stages), self.small_file())

    def test_the_command_line_decodes_and_encodes_without_torch(self, tmp_path: Path) -> None:
        torch, onnx = self.engines()
        given, decoded, file = tmp_path / "given.ctk", tmp_path / "decoded.png", tmp_path / "file.ctk"
        given.write_bytes(self.small_file())
        knobs = [text for name, value in self.knobs.items() for text in (f"--{name}", str(value))]
        framed = ["--aligned"] * self.aligned()
        commands = [["decode", str(given), "-o", str(decoded)]]
        if torch.card.light_encodes:
            commands += [["encode", str(decoded), "-o", str(file), "--codec", self.codec, *knobs, *framed]]
        for command in commands:
            modules = in_a_process_of_its_own(*command)
            assert "onnxruntime" in modules and not modules & HEAVY, command[0]
        assert_pictures_agree(np.asarray(Image.open(decoded)), np.asarray(torch.decode(self.small_file())))
        if torch.card.light_encodes:
            assert_latents_agree(torch, onnx, file.read_bytes())

    def engines(self) -> tuple[Codec, Codec]:
        """The codec on torch and on graphs; asked for by one test class of those that a codec has."""
        if self.engine != "auto" or self.weights is not None:
            pytest.skip("engines are compared where both run the codec's own weights")
        if find_spec("onnxruntime") is None or not manager.find_codec(self.codec)[0].light:
            pytest.skip(f"codec '{self.codec}' has no light form here")
        return load(self.codec, engine="torch"), load(self.codec, engine="onnx")


def in_a_process_of_its_own(*command: str) -> set[str]:
    """Run a command line of codectk; the top-level modules that it imported."""
    result = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(command)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    code, modules = json.loads(result.stderr.splitlines()[-1])
    assert code == 0, result.stderr
    return {module.split(".")[0] for module in modules}


def assert_latents_agree(torch: Codec, onnx: Codec, data: bytes) -> None:
    """The latents of a file are the same to the bit under both engines."""
    theirs, mine = torch.latents(data), onnx.latents(data)
    assert theirs.keys() == mine.keys()
    for name in mine:
        assert np.array_equal(theirs[name], mine[name]), name


def assert_pictures_agree(one: np.ndarray, other: np.ndarray) -> None:
    """Two pictures differ by a level at most, and hardly anywhere."""
    difference = np.abs(one.astype(int) - other.astype(int))
    assert difference.max() <= 1
    assert (difference == 0).mean() >= SAME_PIXELS
