"""What one picture costs with each engine, whole processes: installed bytes, seconds, memory.

    python -m benchmarks engines kodim23.png --quality 30 --threads 1 --rounds 5

Runs of the engines alternate, so both see the same load; the smallest time of each is printed. Seconds of the processor
tell more than those of the clock on a busy machine. Installed are the files of a codec's distribution and of all it
depends on, with the extra `torch` for that engine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table

from benchmarks.common import save

ENGINES = ("onnx", "torch")


def closure(distribution: str, extras: frozenset[str], seen: dict[str, set[str]] | None = None) -> dict[str, set[str]]:
    """Distributions that one needs, itself among them, with the extras that are asked of them; what is absent is left
    out."""
    seen = {} if seen is None else seen
    name = distribution.lower().replace("_", "-")
    if name in seen and extras <= seen[name]:
        return seen
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return seen
    seen.setdefault(name, set()).update(extras)
    for line in found.requires or ():
        need = Requirement(line)
        if need.marker is None or any(need.marker.evaluate({"extra": extra}) for extra in (*seen[name], "")):
            closure(need.name, frozenset(need.extras), seen)
    return seen


def installed_bytes(distribution: str, extras: frozenset[str]) -> int:
    """Size of all files of a distribution and of those it needs, as far as they are installed by copying."""
    total = 0
    for name in closure(distribution, extras):
        for file in metadata.distribution(name).files or ():
            path = Path(str(file.locate()))
            total += path.stat().st_size if path.is_file() else 0
    return total


def run(command: list[str], threads: int) -> tuple[float, float, float]:
    """Seconds by the clock and of the processor, and MiB of memory at most, of one process."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    started = time.perf_counter()
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stderr is not None
    said = process.stderr.read()
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{' '.join(command)} failed: {said.decode()}")
    return time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture")
    parser.add_argument("--codec", default="segpic")
    parser.add_argument("--quality", default="30")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="write the results to this file, too")


def main(a: argparse.Namespace) -> None:
    best: dict[tuple[str, str], tuple[float, ...]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(a.rounds):
            for engine in ENGINES:
                file, picture = (str(Path(folder) / f"{engine}{turn}{suffix}") for suffix in (".ctk", ".png"))
                verb = [sys.executable, "-m", "codectk"]
                tail = ["--engine", engine, "-o"]
                encode = [*verb, "encode", a.picture, "--codec", a.codec, "--quality", a.quality, *tail, file]
                for what, command in (("encode", encode), ("decode", [*verb, "decode", file, *tail, picture])):
                    found = run(command, a.threads)
                    best[engine, what] = tuple(map(min, found, best.get((engine, what), found)))
    sizes = {
        engine: installed_bytes(f"codectk-{a.codec}", frozenset({"torch"} if engine == "torch" else ()))
        for engine in ENGINES
    }
    table = Table("engine", "installed MB", "", "seconds", "processor seconds", "peak MiB")
    for (engine, what), (wall, cpu, peak) in sorted(best.items()):
        table.add_row(engine, f"{sizes[engine] / 1e6:.0f}", what, f"{wall:.2f}", f"{cpu:.2f}", f"{peak:.0f}")
    Console(width=100).print(table)
    if a.json:
        rows = [
            {"engine": e, "verb": w, "seconds": t[0], "cpu": t[1], "peak_mib": t[2], "installed": sizes[e]}
            for (e, w), t in best.items()
        ]
        save(a.json, {"rows": rows}, more=(f"codectk-{a.codec}",))
