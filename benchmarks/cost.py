"""What encoding and decoding cost, beside CompressAI's mbt2018-mean quality 4, in one process.

    python -m benchmarks cost examples/photo.png --threads 2 --rounds 5

Runs alternate, so both see the same load; the smallest time of each is printed. CompressAI's network has fresh weights
(the same work, no download) and its coder sees as many symbols as with trained ones. Without compressai only codectk
is measured. `--megapixels 12` adds the peak memory of encoding one large picture in a process of its own.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import codectk
from benchmarks.common import options
from codectk.api import decode_picture
from codectk.eval.probe import probe
from codectk.picture.read import read_picture
from codectk.pipeline.load import load


def compressai_runs(pixels: np.ndarray) -> tuple[Callable[[], object], Callable[[], object]] | None:
    """Encode and decode of mbt2018-mean on the same picture, or None without compressai."""
    try:
        from compressai.zoo import mbt2018_mean
    except ImportError:
        return None
    network = mbt2018_mean(quality=4, pretrained=False).eval()
    network.update(force=True)
    x = torch.from_numpy(pixels.copy()).permute(2, 0, 1)[None].float() / 255
    x = torch.nn.functional.pad(x, (0, -x.shape[3] % 64, 0, -x.shape[2] % 64))
    made: dict[str, object] = {}

    def encode() -> None:
        with torch.no_grad():
            made.update(network.compress(x))

    def decode() -> None:
        with torch.no_grad():
            network.decompress(made["strings"], made["shape"])

    return encode, decode


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("picture")
    options(parser, "--codec", "--quality", codec={"default": "segpic"}, quality={"default": 50.0})
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--megapixels", type=float, default=0.0)
    parser.add_argument("--peak", action="store_true", help="(used by --megapixels) encode only and print peak memory")


def main(a: argparse.Namespace) -> None:
    if a.peak:
        peak(a.picture, a.codec, a.quality, a.megapixels)
        return
    torch.set_num_threads(a.threads)
    picture = read_picture(a.picture)
    made: dict[str, bytes] = {}
    runs: dict[str, Callable[[], object]] = {
        f"{a.codec} encode": lambda: made.update(data=codectk.encode(picture, codec=a.codec, quality=a.quality)),
        f"{a.codec} decode": lambda: decode_picture(made["data"]),
    }
    other = compressai_runs(picture.pixels)
    if other:
        runs |= {"mbt2018-mean q4 encode": other[0], "mbt2018-mean q4 decode": other[1]}
    best = dict.fromkeys(runs, float("inf"))
    for _ in range(a.rounds + 1):  # the first round warms up
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - start)
    table = Table("run", "seconds", title=f"{picture.width} x {picture.height}, {a.threads} thread(s)")
    for name, seconds in best.items():
        table.add_row(name, f"{seconds:.3f}")
    console = Console()
    console.print(table)
    measured = probe(made["data"], load(a.codec))
    if measured:
        share = measured.decode_s / best[f"{a.codec} decode"]
        console.print(f"ANS coder: {measured.decode_s * 1000:.1f} ms, {share:.1%} of decode.")
    if a.megapixels:
        line = [
            sys.executable,
            "-m",
            "benchmarks",
            "cost",
            a.picture,
            "--codec",
            a.codec,
            "--peak",
            "--megapixels",
            str(a.megapixels),
        ]
        subprocess.run(line, check=True)


def peak(path: str, codec: str, quality: float, megapixels: float) -> None:
    """Encode the picture tiled to `megapixels` and print this process's peak resident memory."""
    pixels = read_picture(path).pixels
    times = max(1, round((megapixels * 1e6 / (pixels.shape[0] * pixels.shape[1])) ** 0.5))
    large = np.tile(pixels, (times, times, 1))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    codectk.encode(large, codec=codec, quality=quality)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(
        f"{large.shape[1]} x {large.shape[0]} pixels ({large.shape[0] * large.shape[1] / 1e6:.1f} MP): encode "
        f"{seconds:.1f} s, peak memory {after / 1024:.0f} MiB ({before / 1024:.0f} MiB before)."
    )
