"""Encoder, Decoder, Meter: round trips, estimates, garbage."""

from __future__ import annotations

import time
import tracemalloc
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import BitstreamError, MismatchError, ParameterMismatchError, TruncatedError
from codectk.coding.ans import AnsStack
from codectk.coding.coder import Decoder, Encoder, Meter
from codectk.coding.escape import push_codes
from codectk.coding.tables import Tables

pytestmark = pytest.mark.portable


@dataclass
class Code:
    index: np.ndarray
    symbols: np.ndarray
    tables: Tables


@dataclass
class Raw:
    value: int
    bits: int


Calls = list[Code | Raw]


@st.composite
def any_tables(draw: st.DrawFn) -> Tables:
    rows = draw(st.lists(st.lists(st.integers(0, 1000), min_size=2, max_size=20), min_size=1, max_size=6))
    offsets = draw(st.lists(st.integers(-(2**20), 2**20), min_size=len(rows), max_size=len(rows)))
    near_zero = [-(len(row) // 2) for row in rows]
    return Tables.from_counts([np.array(r) for r in rows], draw(st.sampled_from([offsets, near_zero])))


@st.composite
def call_lists(draw: st.DrawFn) -> Calls:
    known = draw(st.lists(any_tables(), min_size=1, max_size=3))
    calls: Calls = []
    for _ in range(draw(st.integers(0, 5))):
        if draw(st.booleans()):
            bits = draw(st.integers(1, 32))
            calls.append(Raw(draw(st.integers(0, 2**bits - 1)), bits))
            continue
        tables = draw(st.sampled_from(known))
        shape = draw(st.sampled_from([(), (0,), (1,), (7,), (2, 3), (3, 1, 5), (40,)]))
        # Mixed magnitudes, from a seed: long arrays drawn number by number are slow to shrink.
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        index = rng.integers(0, len(tables), shape)
        reach = np.int64(2) ** rng.choice([1, 3, 5, 17, 30], shape, p=[0.3, 0.3, 0.2, 0.1, 0.1])
        start = tables.offsets[index].astype(np.int64) * rng.integers(0, 2)
        symbols = np.clip(start + rng.integers(-reach, reach + 1), -(2**30), 2**30)
        calls.append(Code(index.astype(draw(st.sampled_from(["u1", "i2", "<i4", ">i4", "i8"]))), symbols, tables))
    return calls


def run(coder: Encoder | Meter, calls: Calls) -> None:
    for call in calls:
        if isinstance(call, Raw):
            assert coder.raw(call.value, call.bits) == call.value
        else:
            coded = coder.code(call.index, call.symbols, call.tables)
            assert coded.dtype == np.int32 and np.array_equal(coded, call.symbols)


def encode(calls: Calls) -> bytes:
    encoder = Encoder()
    run(encoder, calls)
    (payload,) = encoder.finish()
    return payload


def decode(payload: bytes, calls: Calls) -> list[np.ndarray | int]:
    decoder = Decoder([payload])
    values: list[np.ndarray | int] = [
        decoder.raw(None, c.bits) if isinstance(c, Raw) else decoder.code(c.index, None, c.tables) for c in calls
    ]
    decoder.finish()
    return values


@settings(deadline=None)
@given(call_lists())
def test_round_trip(calls: Calls) -> None:
    for call, value in zip(calls, decode(encode(calls), calls), strict=True):
        if isinstance(call, Raw):
            assert value == call.value
        else:
            assert isinstance(value, np.ndarray) and value.dtype == np.int32 and value.flags.c_contiguous
            assert value.shape == call.symbols.shape and np.array_equal(value, call.symbols)


@settings(deadline=None)
@given(call_lists())
def test_meter_is_what_the_encoder_writes(calls: Calls) -> None:
    meter = Meter()
    run(meter, calls)
    # 24 bits of digest, and the last byte filled up. ANS itself is off by far less than a percent.
    assert abs(len(encode(calls)) - 3 - meter.bits / 8) <= 0.01 * meter.bits / 8 + 4


def test_meter_is_exact_on_many_symbols() -> None:
    rng = np.random.default_rng(3)
    tables = Tables.from_counts([1000 // (1 + np.abs(np.arange(-n, n + 2))) for n in range(1, 33)], -np.arange(1, 33))
    index = rng.integers(0, 32, 40_000)
    symbols = np.rint(rng.normal(size=index.size) * (1 + index / 3)).astype(np.int32)
    meter, encoder = Meter(), Encoder()
    for coder in (meter, encoder):
        coder.code(index, symbols, tables)
    assert len(encoder.finish()[0]) == pytest.approx(meter.bits / 8 + 3, rel=1e-4)


def test_few_symbols_take_few_bytes() -> None:
    tables = Tables.from_counts([np.array([1, 6, 1, 1])], [-1])
    sizes = []
    for n in range(0, 64, 4):
        encoder = Encoder()
        encoder.code(0, np.zeros(n, np.int32), tables)
        sizes.append(len(encoder.finish()[0]) - 3 - n * np.log2(9 / 6) / 8)
    assert max(sizes) <= 1.01


def test_no_payload_is_shorter_than_the_digest() -> None:
    # Symbols that cost nothing leave the stack at the digest, whose upper bytes may be zero.
    tables = Tables.from_counts([np.array([1, 0])], [0])
    lengths = set()
    for value in range(2000):
        calls: Calls = [Code(np.zeros(1, int), np.zeros(1, int), tables), Raw(value, 11)]
        payload = encode(calls)
        lengths.add(len(payload))
        assert decode(payload, calls)[1] == value
        nothing: Calls = [Code(np.zeros(value % 50, int), np.zeros(value % 50, int), tables)]
        assert len(encode(nothing)) == 3
        decode(encode(nothing), nothing)
    assert min(lengths) >= 3


def test_many_calls_with_their_own_tables() -> None:
    rng = np.random.default_rng(0)
    calls: Calls = []
    for n in range(500):
        tables = Tables.from_counts([rng.integers(0, 50, 4 + n % 9) for _ in range(1 + n % 5)], np.full(1 + n % 5, -3))
        calls.append(Code(rng.integers(0, 1 + n % 5, 3), rng.integers(-5, 9, 3), tables))
    for call, symbols in zip(calls, decode(encode(calls), calls), strict=True):
        assert isinstance(call, Code) and np.array_equal(symbols, call.symbols)


def test_arguments_may_change_after_the_call() -> None:
    tables = Tables.from_counts([np.ones(9, int), np.ones(9, int)], [-4, -4])
    for index in (np.array([0, 1, 0], np.uint8), np.array([1, 1, 1], np.uint8)):
        symbols = np.array([1, -2, 77], np.int32)
        encoder = Encoder()
        encoder.code(index, symbols, tables)
        kept, expected = index.copy(), symbols.copy()
        symbols[:] = 0
        index[:] = 0
        decoder = Decoder(encoder.finish())
        assert np.array_equal(decoder.code(kept, None, tables), expected)
        decoder.finish()


def test_encoder_goes_on_after_finish() -> None:
    tables = Tables.from_counts([np.array([5, 1, 1])], [0])
    encoder = Encoder()
    encoder.code(0, np.array([0, 1]), tables)
    first = encoder.finish()
    assert encoder.finish() == first
    encoder.raw(9, 4)
    decoder = Decoder(encoder.finish())
    assert decoder.code(np.zeros(2, int), None, tables).tolist() == [0, 1]
    assert decoder.raw(None, 4) == 9
    decoder.finish()


def test_index_is_broadcast_and_any_memory_layout_taken() -> None:
    tables = Tables.from_counts([np.ones(9, int)] * 3, [-4] * 3)
    symbols = np.asfortranarray(np.arange(12).reshape(3, 4) - 5)
    index = np.arange(3)[:, None]
    encoder = Encoder()
    assert np.array_equal(encoder.code(index, symbols, tables), symbols)
    decoder = Decoder(encoder.finish())
    assert np.array_equal(decoder.code(np.broadcast_to(index, (3, 4)), None, tables), symbols)
    decoder.finish()


@settings(deadline=None)
@given(call_lists(), st.binary(max_size=80))
def test_garbage_ends_in_a_typed_error(calls: Calls, garbage: bytes) -> None:
    if garbage == encode(calls):
        return
    with pytest.raises((BitstreamError, MismatchError)):
        decode(garbage, calls)


@settings(deadline=None)
@given(call_lists(), st.data())
def test_a_flipped_bit_or_a_cut_is_noticed(calls: Calls, data: st.DataObject) -> None:
    payload = bytearray(encode(calls))
    if data.draw(st.booleans()):
        position = data.draw(st.integers(0, 8 * len(payload) - 1))
        payload[position // 8] ^= 1 << position % 8
    else:
        del payload[data.draw(st.integers(0, len(payload) - 1)) :]
    with pytest.raises((BitstreamError, MismatchError)):
        decode(bytes(payload), calls)


def test_garbage_neither_hangs_nor_allocates() -> None:
    # A table that is nearly all escapes, so that garbage decodes to as many wild symbols as can be.
    tables = Tables.from_counts([np.array([0, 1])], [0])
    garbage = np.random.default_rng(5).bytes(300_000) + b"\1"
    decoder = Decoder([garbage])
    start = time.perf_counter()
    tracemalloc.start()
    with pytest.raises((BitstreamError, MismatchError)):
        decoder.code(np.zeros(200_000, np.uint8), None, tables)
        decoder.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 << 20
    assert time.perf_counter() - start < 5


def test_a_symbol_beyond_the_limit_is_refused() -> None:
    tables = Tables.from_counts([np.array([4, 1])], [0])
    for code, symbol in [
        (2**31 - 2, 2**30),
        (2**31 - 1, -(2**30)),
        (2**31, None),
        (2**31 + 1, None),
        (2**32 - 2, None),
    ]:
        stack = AnsStack()
        push_codes(stack, np.array([code], np.int64))
        stack.push(np.array([1], np.int32), tables.model(0))
        decoder = Decoder([stack.to_bytes()])
        if symbol is None:
            with pytest.raises(BitstreamError, match=r"2\*\*30"):
                decoder.code(np.array([0]), None, tables)
        else:
            assert decoder.code(np.array([0]), None, tables).tolist() == [symbol]


def test_other_tables_index_or_shape_are_noticed() -> None:
    tables = Tables.from_counts([np.array([9, 4, 1]), np.array([4, 9, 1])], [0, 0])
    index, symbols = np.array([0, 1, 0, 1, 1, 0]), np.array([0, 1, 1, 0, 1, 0])
    payload = encode([Code(index, symbols, tables)])
    others = [
        Code(1 - index, symbols, tables),
        Code(index[:-1], symbols, tables),
        Code(np.append(index, 0), symbols, tables),
        Code(index, symbols, Tables.from_counts([np.array([9, 5, 1]), np.array([4, 9, 1])], [0, 0])),
        Code(index, symbols, Tables.from_counts([np.array([9, 4, 1]), np.array([4, 9, 1])], [0, 1])),
    ]
    for other in others:
        with pytest.raises(ParameterMismatchError, match="other weights"):
            decode(payload, [other])


def test_payload_that_no_encoder_writes() -> None:
    with pytest.raises(BitstreamError, match="zero byte"):
        Decoder([b"\1\2\3\0"])
    with pytest.raises(TruncatedError):
        Decoder([b"\1\2"])


def test_nothing_coded_is_an_empty_digest() -> None:
    assert encode([]) == b"\0\0\0"
    Decoder([b"\0\0\0"]).finish()
    with pytest.raises(ParameterMismatchError):
        Decoder([b"\0\1\0"]).finish()
