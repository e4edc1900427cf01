"""Fixtures shared by several rooms."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from codectk.testing.install import installed

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


class Site:
    """A folder on the module path that holds plugins as an installer would leave them."""

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


@pytest.fixture
def pocket(monkeypatch: pytest.MonkeyPatch):
    """The third-party codec of these tests, as if installed; the value is what a subprocess needs in PYTHONPATH."""
    monkeypatch.delenv("CODECTK_PLUGINS", raising=False)
    monkeypatch.delenv("CODECTK_STRICT_PLUGINS", raising=False)
    with installed(Path(__file__).parent / "third_party" / "codectk_pocket") as folders:
        yield folders
