"""Speed of the symbol coder against CompressAI's rANS: the same million symbols, the same tables, one thread.

Run it where compressai is installed; elsewhere only our half runs:

    OMP_NUM_THREADS=1 python -m pytest benchmarks/test_coder_speed.py --benchmark-enable -s

Our side is timed with everything it does (checks, sorting by table, digest, bytes). CompressAI takes and gives Python
lists: its binding reads and makes them within the time, as it must; turning arrays into lists and back is left out.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from codectk.coding.coder import Decoder, Encoder
from codectk.coding.tables import Tables

SYMBOLS = 1_000_000
GOAL = 1.5
ROUNDS = 7


def gaussian_counts(scale: float) -> np.ndarray:
    """Counts of a zero-mean Gaussian on the integers -r..r, r about 4.5 scales, with what lies outside last."""
    reach = max(1, math.ceil(4.5 * scale))
    edges = [0.5 * (1 + math.erf((k - 0.5) / (scale * math.sqrt(2)))) for k in range(-reach, reach + 2)]
    inside = np.diff(edges)
    return np.rint(np.append(inside, max(0.0, 1 - inside.sum())) * 2**40).astype(np.int64)


@dataclass(frozen=True)
class Work:
    """index: uint8 (n,); symbols: int32 (n,)."""

    index: np.ndarray
    symbols: np.ndarray
    tables: Tables

    def encode(self) -> bytes:
        encoder = Encoder()
        encoder.code(self.index, self.symbols, self.tables)
        (payload,) = encoder.finish()
        return payload

    def decode(self, payload: bytes) -> np.ndarray:
        decoder = Decoder([payload])
        symbols = decoder.code(self.index, None, self.tables)
        decoder.finish()
        return symbols


@dataclass(frozen=True)
class Peer:
    """CompressAI's coder with the same work as lists."""

    ans: Any
    symbols: list[int]
    index: list[int]
    cdfs: list[list[int]]
    sizes: list[int]
    offsets: list[int]

    def encode(self) -> bytes:
        encoder = self.ans.RansEncoder()
        data: bytes = encoder.encode_with_indexes(self.symbols, self.index, self.cdfs, self.sizes, self.offsets)
        return data

    def decode(self, data: bytes) -> list[int]:
        decoder = self.ans.RansDecoder()
        symbols: list[int] = decoder.decode_with_indexes(data, self.index, self.cdfs, self.sizes, self.offsets)
        return symbols


@pytest.fixture(scope="module")
def work() -> Work:
    scales = np.geomspace(0.11, 256, 64)
    counts = [gaussian_counts(float(s)) for s in scales]
    tables = Tables.from_counts(counts, [-(len(c) // 2 - 1) for c in counts])
    rng = np.random.default_rng(0)
    index = rng.integers(0, len(scales), SYMBOLS, dtype=np.uint8)
    symbols = np.rint(rng.normal(size=SYMBOLS) * scales[index]).astype(np.int32)
    return Work(index, symbols, tables)


@pytest.fixture(scope="module")
def peer(work: Work) -> Peer:
    ans = pytest.importorskip(
        "compressai.ans", reason="compressai is not installed, so there is nothing to compare with"
    )
    tables = work.tables
    rows = [row[:size] for row, size in zip(tables.frequencies, tables.sizes, strict=True)]
    cdfs = [[0, *np.cumsum(row).tolist()] for row in rows]
    return Peer(ans, work.symbols.tolist(), work.index.tolist(), cdfs, [len(c) for c in cdfs], tables.offsets.tolist())


@pytest.mark.benchmark(group="encode 1 M symbols")
def test_encode_codectk(benchmark: BenchmarkFixture, work: Work) -> None:
    payload = benchmark(work.encode)
    assert len(payload) == pytest.approx(work.tables.bits(work.index, work.symbols) / 8, rel=1e-3)


@pytest.mark.benchmark(group="encode 1 M symbols")
def test_encode_compressai(benchmark: BenchmarkFixture, work: Work, peer: Peer) -> None:
    data = benchmark(peer.encode)
    assert len(data) == pytest.approx(work.tables.bits(work.index, work.symbols) / 8, rel=1e-2)


@pytest.mark.benchmark(group="decode 1 M symbols")
def test_decode_codectk(benchmark: BenchmarkFixture, work: Work) -> None:
    assert np.array_equal(benchmark(work.decode, work.encode()), work.symbols)


@pytest.mark.benchmark(group="decode 1 M symbols")
def test_decode_compressai(benchmark: BenchmarkFixture, work: Work, peer: Peer) -> None:
    assert benchmark(peer.decode, peer.encode()) == peer.symbols


def best(call: Callable[[], object]) -> float:
    """Seconds of the fastest of several runs: the one that the machine disturbed least."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def test_ratio(work: Work, peer: Peer, capsys: pytest.CaptureFixture[str]) -> None:
    ours, theirs = work.encode(), peer.encode()
    seconds = {
        "encode": (best(work.encode), best(peer.encode)),
        "decode": (best(lambda: work.decode(ours)), best(lambda: peer.decode(theirs))),
    }
    with capsys.disabled():
        print(f"\n{SYMBOLS} symbols: codectk {len(ours)} bytes, compressai {len(theirs)} bytes")
        for direction, (a, b) in seconds.items():
            rates = f"codectk {SYMBOLS / a / 1e6:.1f} M/s, compressai {SYMBOLS / b / 1e6:.1f} M/s"
            print(f"{direction}: {rates}, ratio {b / a:.2f} (goal {GOAL})")
    for direction, (a, b) in seconds.items():
        assert b / a >= GOAL, f"{direction} is only {b / a:.2f} times as fast as CompressAI"
