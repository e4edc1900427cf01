"""A coder written from PAYLOAD.md alone, in plain Python integers, against the package: same bytes, same symbols."""

from __future__ import annotations

import json
import re
import struct
import zlib
from bisect import bisect_right
from itertools import accumulate, pairwise
from pathlib import Path

import constriction
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import codectk.coding
from codectk.coding.ans import build_model
from codectk.coding.coder import Decoder, Encoder
from codectk.coding.escape import LENGTH_FREQUENCIES
from codectk.coding.tables import Tables

pytestmark = pytest.mark.portable

PAYLOAD = Path(codectk.coding.__file__).with_name("PAYLOAD.md")
LENGTHS = [2**15 - 14] + [2 ** (15 - n) for n in range(1, 14)] + [1] * 18


class Stack:
    """Sections 3 and 7."""

    def __init__(self, state: int = 0, data: bytes | None = None) -> None:
        self.state, self.words = state, []
        if data is not None:
            assert len(data) >= 3 and (len(data) == 3 or data[-1] != 0)
            data = data.rstrip(b"\0")
            padded = data + bytes(-len(data) % 4)
            self.words = list(struct.unpack(f"<{len(padded) // 4}I", padded))
            self.refill()
            self.refill()

    def refill(self) -> None:
        if self.state < 2**32 and self.words:
            self.state = (self.state << 32) + self.words.pop()

    def push(self, left: int, width: int) -> None:
        if self.state >> 40 >= width:
            self.words.append(self.state % 2**32)
            self.state >>= 32
        self.state = (self.state // width << 24) + left + self.state % width

    def pop(self, frequencies: list[int]) -> int:
        edges = [0, *accumulate(256 * f for f in frequencies)]
        quantile = self.state % 2**24
        entry = bisect_right(edges, quantile) - 1
        self.state = (edges[entry + 1] - edges[entry]) * (self.state >> 24) + quantile - edges[entry]
        self.refill()
        return entry

    def pop_bits(self, bits: int) -> int:
        quantile, shift = self.state % 2**24, 24 - bits
        self.state = (self.state >> 24 << shift) + quantile % 2**shift
        self.refill()
        return quantile >> shift

    def to_bytes(self) -> bytes:
        words = [*self.words, self.state % 2**32, self.state >> 32]
        return struct.pack(f"<{len(words)}I", *words).rstrip(b"\0").ljust(3, b"\0")


def entry_interval(frequencies: list[int], entry: int) -> tuple[int, int]:
    return 256 * sum(frequencies[:entry]), 256 * frequencies[entry]


def bits_interval(value: int, bits: int) -> tuple[int, int]:
    return value << (24 - bits), 1 << (24 - bits)


def digest_of(call: dict, tables: list[dict], crc: int) -> int:
    if "bits" in call:
        return zlib.crc32(struct.pack("<I", call["value"]), crc)
    n = len(call["index"])
    crc = zlib.crc32(struct.pack(f"<{n}{'B' if len(tables) <= 256 else 'H'}", *call["index"]), crc)
    return zlib.crc32(struct.pack(f"<{n}i", *call["symbols"]), crc)


def parts(value: int, bits: int) -> list[tuple[int, int]]:
    return [(value, bits)] if bits <= 16 else [(value % 2**16, 16), (value >> 16, bits - 16)]


def intervals(call: dict, tables: list[dict]) -> list[tuple[int, int]]:
    """All entries of a call in decoding order, as (left, width)."""
    if "bits" in call:
        return [bits_interval(v, b) for v, b in parts(call["value"], call["bits"])]
    result, codes = [], []
    for number, table in enumerate(tables):
        freqs, offset = table["frequencies"], table["offset"]
        last = offset + len(freqs) - 2
        for index, s in zip(call["index"], call["symbols"], strict=True):
            if index != number:
                continue
            if offset <= s <= last:
                result.append(entry_interval(freqs, s - offset))
            else:
                result.append(entry_interval(freqs, len(freqs) - 1))
                codes.append(2 * (s - last - 1) if s > last else 2 * (offset - 1 - s) + 1)
    runs: list[list[tuple[int, int]]] = [[], [], []]
    for code in codes:
        length = (code + 1).bit_length() - 1
        rest = code + 1 - 2**length
        runs[0].append(entry_interval(LENGTHS, length))
        for run, part in zip(runs[1:], parts(rest, length) if length else [], strict=False):
            run.append(bits_interval(*part))
    return result + runs[0] + runs[1] + runs[2]


def encode(calls: list[dict], tables: list[dict]) -> bytes:
    crc = 0
    for call in calls:
        crc = digest_of(call, tables, crc)
    stack = Stack(state=crc % 2**24)
    for call in reversed(calls):
        for left, width in reversed(intervals(call, tables)):
            stack.push(left, width)
    return stack.to_bytes()


def decode(data: bytes, shapes: list[dict], tables: list[dict]) -> list[dict]:
    """`shapes` are calls whose values are not looked at."""
    stack, crc, calls = Stack(data=data), 0, []
    for shape in shapes:
        if "bits" in shape:
            bits = shape["bits"]
            value = stack.pop_bits(min(bits, 16))
            if bits > 16:
                value += stack.pop_bits(bits - 16) << 16
            calls.append({"bits": bits, "value": value})
        else:
            index = shape["index"]
            order = sorted(range(len(index)), key=lambda i: index[i])
            symbols, escaped = [0] * len(index), []
            for i in order:
                table = tables[index[i]]
                entry = stack.pop(table["frequencies"])
                symbols[i] = table["offset"] + entry
                if entry == len(table["frequencies"]) - 1:
                    escaped.append(i)
            lengths = [stack.pop(LENGTHS) for _ in escaped]
            low = [stack.pop_bits(min(n, 16)) if n else 0 for n in lengths]
            high = [stack.pop_bits(n - 16) if n > 16 else 0 for n in lengths]
            for i, n, lo, hi in zip(escaped, lengths, low, high, strict=True):
                code = 2**n + lo + (hi << 16) - 1
                table = tables[index[i]]
                last = table["offset"] + len(table["frequencies"]) - 2
                symbols[i] = table["offset"] - 1 - code // 2 if code % 2 else last + 1 + code // 2
            calls.append({"index": index, "symbols": symbols})
        crc = digest_of(calls[-1], tables, crc)
    assert not stack.words and stack.state == crc % 2**24, "lost step"
    return calls


def package_tables(tables: list[dict]) -> Tables:
    longest = max(len(t["frequencies"]) for t in tables)
    rows = [t["frequencies"] + [0] * (longest - len(t["frequencies"])) for t in tables]
    return Tables(np.array(rows), np.array([len(t["frequencies"]) for t in tables]), [t["offset"] for t in tables])


def package_encode(calls: list[dict], tables: Tables) -> bytes:
    encoder = Encoder()
    for call in calls:
        if "bits" in call:
            encoder.raw(call["value"], call["bits"])
        else:
            encoder.code(np.array(call["index"], np.int32), np.array(call["symbols"], np.int32), tables)
    (payload,) = encoder.finish()
    return payload


def package_decode(data: bytes, calls: list[dict], tables: Tables) -> list[dict]:
    decoder, result = Decoder([data]), []
    for call in calls:
        if "bits" in call:
            result.append({"bits": call["bits"], "value": decoder.raw(None, call["bits"])})
        else:
            symbols = decoder.code(np.array(call["index"], np.int32), None, tables).tolist()
            result.append({"index": call["index"], "symbols": symbols})
    decoder.finish()
    return result


@st.composite
def frequency_rows(draw: st.DrawFn) -> list[int]:
    cuts = sorted(draw(st.sets(st.integers(1, 2**16 - 1), min_size=1, max_size=12)))
    return [b - a for a, b in zip([0, *cuts], [*cuts, 2**16], strict=True)]


@st.composite
def streams(draw: st.DrawFn) -> tuple[list[dict], list[dict]]:
    table = st.builds(lambda f, o: {"frequencies": f, "offset": o}, frequency_rows(), st.integers(-30, 30))
    tables = draw(st.lists(table, min_size=1, max_size=5))
    symbol = st.one_of(st.integers(-40, 40), st.integers(-40, 40), st.integers(-(2**30), 2**30))
    pair = st.tuples(st.integers(0, len(tables) - 1), symbol)
    code = st.lists(pair, max_size=25).map(lambda p: {"index": [i for i, _ in p], "symbols": [s for _, s in p]})
    raw = st.integers(1, 32).flatmap(lambda b: st.integers(0, 2**b - 1).map(lambda v: {"bits": b, "value": v}))
    return draw(st.lists(st.one_of(code, code, raw), max_size=6)), tables


@settings(deadline=None)
@given(streams())
def test_same_bytes_both_ways(stream: tuple[list[dict], list[dict]]) -> None:
    calls, tables = stream
    data = encode(calls, tables)
    assert package_encode(calls, package_tables(tables)) == data
    assert decode(data, calls, tables) == calls
    assert package_decode(data, calls, package_tables(tables)) == calls


@pytest.mark.parametrize("count", [256, 257])
def test_width_of_indices_in_the_digest(count: int) -> None:
    tables = [{"frequencies": [2**15, 2**14, 2**14], "offset": n} for n in range(count)]
    calls = [{"index": [count - 1, 0, 255, count - 1], "symbols": [count, -7, 255, 5_000_000]}]
    data = encode(calls, tables)
    assert package_encode(calls, package_tables(tables)) == data
    assert package_decode(data, calls, package_tables(tables)) == calls


def quantile(model: object, state: int) -> int:
    """The entry that constriction pops from a one-word stack."""
    coder = constriction.stream.stack.AnsCoder(np.array([state], np.uint32)) if state else None
    return int((coder or constriction.stream.stack.AnsCoder()).decode(model))


@settings(deadline=None)
@given(frequency_rows())
def test_constriction_edges_are_exact(frequencies: list[int]) -> None:
    model = build_model(np.array(frequencies, dtype=np.int32))
    edges = [0, *accumulate(256 * f for f in frequencies)]
    for entry, (left, right) in enumerate(pairwise(edges)):
        assert quantile(model, left) == entry
        assert quantile(model, right - 1) == entry


@pytest.mark.parametrize("size", [2, 65535, 65536])
def test_constriction_edges_are_exact_in_extreme_tables(size: int) -> None:
    frequencies = np.ones(size, dtype=np.int32)
    frequencies[size // 2] += 2**16 - size
    model = build_model(frequencies)
    edges = np.concatenate([[0], np.cumsum(frequencies, dtype=np.int64) * 256])
    for entry in {0, size // 2 - 1, size // 2, size - 1}:
        assert quantile(model, int(edges[entry])) == entry
        assert quantile(model, int(edges[entry + 1]) - 1) == entry


def test_length_table_is_the_documented_one() -> None:
    assert list(LENGTH_FREQUENCIES) == LENGTHS
    assert sum(LENGTHS) == 2**16 and len(LENGTHS) == 32


def documented_examples() -> list[dict]:
    return [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAYLOAD.read_text(), re.DOTALL)]


def test_documented_examples() -> None:
    examples = documented_examples()
    assert len(examples) >= 3
    for example in examples:
        data, calls, tables = bytes.fromhex(example["payload"]), example["calls"], example["tables"]
        assert decode(data, calls, tables) == calls
        assert package_decode(data, calls, package_tables(tables)) == calls
        assert encode(calls, tables) == package_encode(calls, package_tables(tables)) == data
