"""A tiny SegPIC, a few made-up pictures, and runs of both."""

from __future__ import annotations

import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("codectk_segpic", reason="these tests train a tiny SegPIC")

from codectk.plugins import manager  # noqa: E402
from codectk.testing.threads import torch_threads  # noqa: E402
from codectk.train.checkpoint import load_checkpoint  # noqa: E402
from codectk.train.data import Crops, LabelMaps  # noqa: E402
from codectk.train.log import read_log  # noqa: E402
from codectk.train.loop import CHECKPOINT, LOG, Outcome, train  # noqa: E402
from codectk.train.settings import Recipe, load_recipe  # noqa: E402
from codectk.train.trainer import Trainer, make  # noqa: E402
from codectk.train.world import World  # noqa: E402

TINY = """
[codec]
name = "segpic"

[codec.options]
config = "small"
mid = [16, 32]
latent = 32
hyper = 8
wam_units = [1, 1]
heads = 2
tail = 8
code_mid = [8, 8, 4]
code_deep = [8, 8, 4]
decode = [8, 8]
rat_mid = 8
rat_deep = 8
slices = [16, 16]
support = 1
hyper_features = 16
parameter_nets = [8, 8]

[data]
crop = 64
batch = 4
min_side = 64
scale_min = 0.7

[optim]
steps = 12
warmup = 4
decay = 4

[run]
log_every = 3
"""

Start = Callable[..., Outcome]


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """As in the subprocesses: exact repetition is promised for one number of threads."""
    with torch_threads(1):
        yield


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of six pictures of 140x100 pixels."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(6):
        small = np.random.default_rng(number).integers(0, 256, (8, 10, 3)).astype(np.uint8)
        Image.fromarray(small).resize((140, 100), Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def recipe_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture(scope="session")
def recipe(recipe_file: Path) -> Callable[..., Recipe]:
    """The tiny recipe with overrides."""
    return lambda *overrides: load_recipe(recipe_file, overrides)


@pytest.fixture(scope="session")
def start(recipe: Callable[..., Recipe], pictures: Path) -> Start:
    """Train the tiny recipe in this process: (folder, *overrides, stop_at=step, other arguments of `train`)."""

    def start(folder: Path, *overrides: str, stop_at: int = 0, **arguments: object) -> Outcome:
        stop = (lambda step: step >= stop_at) if stop_at else (lambda step: False)
        return train(recipe(*overrides).on([pictures]), folder, stop=stop, **arguments)  # type: ignore[arg-type]

    return start


@pytest.fixture(scope="session")
def finished(start: Start, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an uninterrupted run of twelve steps."""
    folder = tmp_path_factory.mktemp("finished")
    assert start(folder).step == 12
    return folder


@pytest.fixture(scope="session")
def trainer(recipe: Callable[..., Recipe], pictures: Path) -> Callable[..., Trainer]:
    """A fresh trainer of the tiny recipe with overrides."""

    def fresh(*overrides: str) -> Trainer:
        chosen = recipe(*overrides)
        torch.manual_seed(chosen.optim.seed)
        d = chosen.data
        crops = Crops([pictures], d.crop, d.min_side, d.scale_min, chosen.optim.seed)
        network = manager.network(chosen.codec.name, chosen.codec.options)
        return Trainer(chosen, crops, None, World(), torch.device("cpu"), network=network, knobs={"grid": 4})

    return fresh


@pytest.fixture(scope="session")
def labels(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of label maps of three groups and void, for all pictures but one."""
    folder = tmp_path_factory.mktemp("labels")
    for number in range(5):
        small = np.random.default_rng(number).integers(0, 4, (8, 10)).astype(np.uint8)
        Image.fromarray(small).resize((140, 100), Image.Resampling.NEAREST).save(folder / f"{number}.png")
    return folder


@pytest.fixture
def critic(site, labels: Path) -> tuple[str, ...]:
    """Installs the small discriminator; overrides of the tiny recipe that use it."""
    source = Path(__file__).with_name("critic.py").read_text(encoding="utf-8")
    site.add("critic", source, card=runpy.run_path(str(Path(__file__).with_name("critic.py")))["CARD"])
    return (
        "discriminator.name=critic.small",
        "discriminator.weight=30",
        "discriminator.lr=1e-3",
        f"data.labels={labels}",
    )


@pytest.fixture
def build(recipe: Callable[..., Recipe], pictures: Path) -> Callable[..., Trainer]:
    """What a run of the tiny recipe with overrides starts with, and the remarks about it appended to `said`."""

    def build(*overrides: str, said: list[str] | None = None) -> Trainer:
        chosen = recipe(*overrides)
        d = chosen.data

        def load(labelled: bool) -> tuple[Crops, LabelMaps | None]:
            crops = Crops([pictures], d.crop, d.min_side, d.scale_min, chosen.optim.seed)
            return crops, LabelMaps(Path(d.labels), crops) if labelled else None

        say = (lambda remark: None) if said is None else said.append
        return make(chosen, load, World(), torch.device("cpu"), fresh=True, say=say)

    return build


@pytest.fixture(scope="session")
def launch(recipe_file: Path, pictures: Path) -> Callable[..., subprocess.Popen[str]]:
    """Train the tiny recipe by the command line, in a process of its own: (folder, *arguments, by=launcher).

    `path` has further folders of modules.
    """

    def launch(folder: Path, *args: str, by: tuple[str, ...] = (), path: tuple[str, ...] = ()) -> subprocess.Popen[str]:
        modules = [*path, *filter(None, [os.environ.get("PYTHONPATH")])]
        command = [sys.executable, *by, "-m", "codectk", "train", str(recipe_file), "--data", str(pictures)]
        return subprocess.Popen(
            [*command, "-o", str(folder), *args],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(modules)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return launch


@pytest.fixture(scope="session")
def assert_same() -> Callable[[Path, Path], None]:
    """Check that two runs ended in the same state, bit for bit, and logged the same numbers."""

    def assert_same(one: Path, other: Path) -> None:
        a, b = (_leaves(load_checkpoint(folder / CHECKPOINT)) for folder in (one, other))
        assert a.keys() == b.keys()
        assert not [k for k in a if not (torch.equal(a[k], b[k]) if isinstance(a[k], torch.Tensor) else a[k] == b[k])]
        logs = [[{k: v for k, v in r.items() if k != "seconds"} for r in read_log(f / LOG)] for f in (one, other)]
        assert logs[0] == logs[1]

    return assert_same


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    """All leaves of a checkpoint by path."""
    if isinstance(value, (dict, list, tuple)):
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        return {k: v for key, part in parts for k, v in _leaves(part, f"{name}/{key}").items()}
    return {name: value}
