"""codectk info tells the labels by name: from the weights that a file names, without torch."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codectk import api
from codectk.base.errors import WeightsError
from codectk.base.types import Context
from codectk.bitstream.chunk import LATENTS, Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.writer import write
from codectk.coding.coder import Encoder
from codectk.weights import store
from codectk_labels.groups import NAMES
from codectk_sgc.entropy import Reduced, SemanticCoder
from codectk_sgc.labels.names import COCO_STUFF
from codectk_sgc.labels.summary import names

HEIGHT, WIDTH = 300, 400
"""Of the picture; its maps are those of 288 x 384 pixels."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def weights(home: Path, arrays: Mapping[str, np.ndarray]):
    """Stores a weights file that has the coders' networks and says what it is; gives the first bytes of its hash."""

    def keep(**metadata: str) -> bytes:
        inside = {f"coders.{name}": array for name, array in arrays.items()} | {"other": np.zeros(1000, np.float16)}
        path = store.save(inside, {"codec": "sgc", **metadata}, "some")
        return bytes.fromhex(store.sha256_of(path)[:8])

    return keep


@pytest.fixture
def coded(arrays: Mapping[str, np.ndarray]):
    """A file with given labels, in as many cells as a picture of this size has."""

    def make(labels: Any, classes: int, weights: bytes) -> bytes:
        maps = {"labels": np.asarray(labels), "colors": np.full((9, 12, 3), 12)}
        encoder = Encoder()
        Reduced(SemanticCoder(arrays, classes)).code(encoder, maps, Context(HEIGHT, WIDTH))
        header = Header("sgc", "codectk-sgc", WIDTH, HEIGHT, weights, {"seed": 3}, portable=True)
        return write(header, [Chunk.of(LATENTS, payload) for payload in encoder.finish()])

    return make


def thirds(*labels: int) -> np.ndarray:
    """A map of 18 x 24 cells, a third of them of each label."""
    return np.repeat(labels, 6)[:, None].repeat(24, axis=1)


def test_names():
    assert names(13) == NAMES[1:] and names(13)[0] == "sky" and len(names(13)) == 13
    assert names(182) is COCO_STUFF
    assert names(3) == ["label 0", "label 1", "label 2"]


def test_labels_by_name(weights, coded):
    small = weights(config="small")
    assert api.summary(coded(thirds(0, 1, 1), 13, small)) == {
        "labels": {"water": pytest.approx(2 / 3), "sky": pytest.approx(1 / 3)}
    }
    full = weights(config="full", options="{}")
    assert list(api.summary(coded(thirds(156, 154, 134), 182, full))["labels"]) == ["mountain", "sea", "sky-other"]
    other = weights(config="small", options='{"classes": 4}')
    assert api.summary(coded(thirds(3, 3, 3), 4, other)) == {"labels": {"label 3": 1.0}}


def test_weights_that_say_nothing_useful(weights, coded):
    for metadata in ({}, {"config": "huge"}, {"config": "small", "options": "{"}, {"options": "[3]"}):
        with pytest.raises(WeightsError, match="a network that the installed plugin does not know"):
            api.summary(coded(thirds(0, 1, 2), 13, weights(**metadata)))
    with pytest.raises(WeightsError, match="names no weights"):
        api.summary(coded(thirds(0, 1, 2), 13, bytes(4)))
    with pytest.raises(WeightsError, match="deadbeef"):
        api.summary(coded(thirds(0, 1, 2), 13, bytes.fromhex("deadbeef")))


def test_the_command_line_without_torch(weights, coded, home: Path):
    """In a process of its own, which must not have imported torch at the end."""
    for name, data in (
        ("a.ctk", coded(thirds(3, 0, 3), 13, weights(config="small"))),
        ("b.ctk", coded(thirds(3, 0, 3), 13, bytes(4))),
    ):
        (home / name).write_bytes(data)
    program = (
        "import sys; from codectk.cli.main import run; code = run(sys.argv[1:]); "
        "print(sorted({'torch', 'timm', 'diffusers', 'scipy'} & set(sys.modules)), file=sys.stderr); sys.exit(code)"
    )
    command = [sys.executable, "-c", program, "info", str(home / "a.ctk"), str(home / "b.ctk")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0
    (line,) = [line.split() for line in done.stdout.splitlines() if line.startswith("labels")]
    assert line == ["labels", "plant", "67", "%,", "sky", "33", "%"]
    note, modules = done.stderr.splitlines()
    assert note.startswith("codectk: note: ") and "names no weights" in note and modules == "[]"
