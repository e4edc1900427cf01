"""Fixtures shared by several rooms."""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
import tarfile
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codectk.pipeline.load import forget
from codectk.testing.install import installed

SHARED = Path(__file__).resolve().parents[2] / "shared"


CARD = """
api = 1
title = "Fake"
summary = "A plugin made by a test"
licence = "CC0-1.0"

[[codec]]
name = "{name}"
summary = "Does nothing"
stride = 8

[codec.knobs.quality]
side = "encoder"
type = "float"
min = 0
max = 100
default = 50
coded = true
rate = true

[codec.knobs.realism]
side = "decoder"
type = "float"
min = 0
max = 1
default = 0.5
"""


WEIGHTED = """
import os
from dataclasses import replace

import numpy as np

from codectk.base.errors import WeightsError
from codectk.spec.hooks import hookimpl
from codectk.weights.store import sha256_of

@hookimpl
def codectk_codec(name, device, weights):
    if weights is None and os.environ.get("WEIGHTED_LOST"):
        raise WeightsError("The plugin lost its weights.")
    from codectk_pocket import plugin

    built = replace(plugin.codectk_codec("pocket", device), id=name, post=None)
    if weights is None:
        return replace(built, weights_hash="ab" * 32)
    return replace(built, weights_hash=sha256_of(weights), without_knobs=frozenset({"seed"}))

@hookimpl
def codectk_weights_import(path):
    data = path.read_bytes()
    if not data.startswith(b"numbers "):
        raise WeightsError(f"{path} is no checkpoint: it lacks 'numbers'.")
    return {"x": np.array(data.split()[1:], dtype=np.float32)}, {"source": path.name}
"""
"""A plugin whose codec takes weights: the transform of `pocket`, which knows nothing of them."""

_QUALITY_ONLY, _ = CARD.split("[codec.knobs.realism]")
WEIGHTED_CARD = f"""{_QUALITY_ONLY.replace("stride = 8", "stride = 16")}
[codec.knobs.seed]
side = "encoder"
type = "int"
min = 0
max = 9
default = 7
coded = true
"""


class Site:
    """A folder on the module path that holds plugins as an installer would leave them."""

    card = CARD
    """What a plugin says of itself unless a test says otherwise."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.packages: list[str] = []

    def add(
        self,
        name: str,
        code: str = "",
        *,
        card: str | None = CARD,
        module: str | None = None,
        distribution: str | None = None,
        version: str = "1.0",
    ) -> str:
        """Install a plugin and return the name of its package. `{name}` in the card is replaced; None writes none."""
        package = f"fake_{name.replace('-', '_')}"
        distribution = distribution or f"codectk-{name}"
        self.packages.append(package)
        folder = self.path / package
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("")
        (folder / "plugin.py").write_text(code)
        if card is not None:
            (folder / "card.toml").write_text(card.replace("{name}", name))
        self.metadata(distribution, f"[codectk]\n{name} = {module or package + '.plugin'}\n", version)
        return package

    def metadata(self, distribution: str, entry_points: str, version: str = "1.0") -> Path:
        """Write a .dist-info folder."""
        folder = self.path / f"{distribution.replace('-', '_')}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
        (folder / "entry_points.txt").write_text(entry_points)
        importlib.invalidate_caches()
        return folder


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An empty place for fake plugins; their modules are forgotten afterwards."""
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(str(path))
    monkeypatch.delenv("CODECTK_PLUGINS", raising=False)
    monkeypatch.delenv("CODECTK_STRICT_PLUGINS", raising=False)
    made = Site(path)
    yield made
    for name in list(sys.modules):
        if name.split(".")[0] in made.packages:
            del sys.modules[name]


def _third_party(name: str, monkeypatch: pytest.MonkeyPatch):
    """A plugin of the folder third_party, as if installed."""
    monkeypatch.delenv("CODECTK_PLUGINS", raising=False)
    monkeypatch.delenv("CODECTK_STRICT_PLUGINS", raising=False)
    with installed(Path(__file__).parent / "third_party" / f"codectk_{name}") as folders:
        yield folders


@pytest.fixture
def pocket(monkeypatch: pytest.MonkeyPatch):
    """The third-party codec of these tests, as if installed; the value is what a subprocess needs in PYTHONPATH."""
    yield from _third_party("pocket", monkeypatch)


@pytest.fixture
def onion(monkeypatch: pytest.MonkeyPatch):
    """The third-party codec with layers, edits, a domain and an alignment; the value is as that of `pocket`."""
    yield from _third_party("onion", monkeypatch)


@pytest.fixture
def grain(monkeypatch: pytest.MonkeyPatch):
    """The third-party codec that paints from a seed and tells about its files; the value is as that of `pocket`."""
    yield from _third_party("grain", monkeypatch)


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch):
    """The third-party codecs that claim to be portable, one of which is; the value is as that of `pocket`."""
    pytest.importorskip("torch", reason="the liar computes with torch")
    yield from _third_party("liar", monkeypatch)


@pytest.fixture
def weighted(site, pocket, tmp_path, monkeypatch: pytest.MonkeyPatch):
    """The plugin and codec `weighted` with an empty store; the value is the folder of its package."""
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    package = site.add("weighted", WEIGHTED, card=WEIGHTED_CARD)
    yield site.path / package
    forget()


def photo_like(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colors, edges and a little noise: uint8 (H, W, 3)."""
    generator = np.random.default_rng(seed)
    small = generator.uniform(0, 255, (height // 24 + 2, width // 24 + 2, 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    y, x = np.mgrid[:height, :width]
    edges = 40.0 * (((x // 17) + (y // 23)) % 2)[..., None]
    return np.clip(smooth * 0.7 + edges + generator.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def photo() -> Callable[..., np.ndarray]:
    """(height, width, seed) -> a made-up photo."""
    return photo_like


@pytest.fixture
def picture() -> np.ndarray:
    return photo_like(176, 208)


@pytest.fixture
def baselines() -> Path:
    folder = SHARED / "baselines"
    if not folder.is_dir():
        pytest.skip("the measured baselines (../shared/baselines) are not on this machine")
    return folder


@pytest.fixture
def kodak() -> Callable[[str], np.ndarray]:
    """Kodak pictures by name, such as kodim04."""
    path = SHARED / "data" / "kodak.tar"
    if not path.is_file():
        pytest.skip("the Kodak pictures (../shared/data/kodak.tar) are not on this machine")

    def read(name: str) -> np.ndarray:
        with tarfile.open(path) as tar:
            member = tar.extractfile(f"kodak/{name}.png")
            assert member is not None
            return np.asarray(Image.open(io.BytesIO(member.read())).convert("RGB"))

    return read


@pytest.fixture
def fresh_python(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Runs a program in a process of its own, which can import modules of the test's folder; returns what it prints."""
    path = [str(request.path.parent), *filter(None, [os.environ.get("PYTHONPATH")])]

    def run(program: str) -> str:
        result = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program)],
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert result.returncode == 0, result.stderr
        print(result.stderr)  # shown if the test fails
        return result.stdout.strip()

    return run
