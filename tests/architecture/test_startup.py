"""`--help`, `plugins` and `info` start at once: no torch, no plugin module, a few times what a bare program costs."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from codectk.bitstream.chunk import LATENTS, Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.writer import write

FLOOR = ("-c", "import click, rich")
"""What any program on these packages pays: starts are measured in it, since a time says more of the machine."""

COMMANDS = {
    ("--help",): 4,
    ("plugins",): 9,
    ("plugins", "--json"): 9,
    ("info", "a.ctk"): 9,
    ("info", "a.ctk", "--json"): 9,
}
"""Processor time that a start may take, in floors, which older versions of click and rich make smaller. Torch is 60."""

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


@dataclass(frozen=True)
class Meter:
    """Measures programs by processor time, so that waiting for a busy machine is not counted."""

    environment: dict[str, str]
    folder: Path

    def seconds(self, *args: str) -> float:
        resource = pytest.importorskip("resource", reason="this system does not tell what subprocesses cost")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, *args],
            env=self.environment,
            cwd=self.folder,
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=600,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return float(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    def floors(self, *args: str) -> list[float]:
        """What a program costs in floors, five times; both take turns, so what else the machine does meets both."""
        return [self.seconds(*args) / self.seconds(*FLOOR) for _ in range(5)]


@pytest.fixture
def meter(environment: dict[str, str], tmp_path: Path) -> Meter:
    return Meter(environment, tmp_path)


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_start_up_time(meter: Meter, command: tuple[str, ...]):
    ratios: list[float] = []
    for _ in range(3):
        ratios += meter.floors("-m", "codectk", *command)
        if statistics.median(ratios) < COMMANDS[command]:
            return
    pytest.fail(f"{' '.join(command)} costs {statistics.median(ratios):.1f} floors, not {COMMANDS[command]}")


def test_the_measure_sees_what_is_slow(meter: Meter):
    assert statistics.median(meter.floors("-c", f"import numpy; {FLOOR[1]}")) > 1.3
