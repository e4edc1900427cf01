"""What the tests of the command line share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codectk.cli import main


@dataclass(frozen=True)
class Result:
    """What one command line did."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line in this process."""

    def run(*args: object) -> Result:
        capsys.readouterr()
        code = main.run([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the pictures a.png and b.png, and c.png, which is no picture."""
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    y, x = np.mgrid[0:48, 0:64]
    grain = np.random.default_rng(0).integers(0, 4, (48, 64, 3))  # or a PNG would be smaller, which would be told
    Image.fromarray((np.stack([x * 4, y * 5, x + y], axis=-1) + grain).clip(0, 255).astype(np.uint8)).save("a.png")
    Image.fromarray((250 - x * 3 + grain[..., 0]).astype(np.uint8)).save("b.png")
    Path("c.png").write_text("no picture")
    return place


@pytest.fixture
def ctk(folder: Path, pocket: object, run: Run) -> Path:
    """The working folder with a.ctk, made from a.png."""
    assert run("encode", "a.png", "-o", "a.ctk", "--codec", "pocket").code == 0
    return folder
