"""`--help`, `plugins` and `info` start at once: no torch, no plugin module, less than 0.3 s."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from codectk.bitstream.chunk import LATENTS, Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.writer import write

LIMIT = 0.3
"""Seconds a start may take on an idle machine, median of five."""

FLOOR = ("-c", "import click, numpy")
"""What any program on these packages pays; tells a busy machine from a slow program."""

PROBE = """
import json, sys
from codectk.cli.main import run
code = run(json.loads(sys.argv[1]))
print(json.dumps([code, sorted(sys.modules)]), file=sys.stderr)
"""

FORBIDDEN = ("torch", "safetensors", "scipy", "matplotlib", "constriction", "PIL")


@pytest.fixture
def environment(site, tmp_path: Path) -> dict[str, str]:
    """A place with a file and with a plugin that must not be imported."""
    site.add("bomb", "raise SystemExit('a plugin was imported')")
    header = Header("bomb", "codectk-bomb", 8, 8)
    (tmp_path / "a.ctk").write_bytes(write(header, [Chunk.of(LATENTS, bytes(40))]))
    return {**os.environ, "PYTHONPATH": str(site.path), "OMP_NUM_THREADS": "1"}


COMMANDS = (("--help",), ("plugins",), ("plugins", "--json"), ("info", "a.ctk"), ("info", "a.ctk", "--json"))


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_nothing_heavy_is_imported(environment: dict[str, str], tmp_path: Path, command: tuple[str, ...]):
    result = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps(command)],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    code, modules = json.loads(result.stderr)
    assert code == 0 and result.stdout
    tops = {module.split(".")[0] for module in modules}
    assert not tops.intersection(FORBIDDEN)
    assert not [top for top in tops if top.startswith(("codectk_", "fake_"))]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_start_up_time(environment: dict[str, str], tmp_path: Path, command: tuple[str, ...]):
    """The median of five is below the limit; on a busy machine, the floor stretches and the limit with it."""

    def seconds(*args: str) -> float:
        started = time.perf_counter()
        subprocess.run(
            [sys.executable, *args], env=environment, cwd=tmp_path, check=True, stdout=subprocess.DEVNULL, timeout=60
        )
        return time.perf_counter() - started

    tries: list[float] = []
    floors: list[float] = []
    for _ in range(3):
        times = [seconds("-m", "codectk", *command) for _ in range(5)]
        if statistics.median(times) < LIMIT:
            return
        tries += times
        floors += [seconds(*FLOOR) for _ in range(5)]
    assert min(tries) < max(LIMIT, min(floors) + LIMIT / 2), f"best {min(tries):.2f} s, floor {min(floors):.2f} s"
