"""Tables: validation, normalization of counts, storage, bits."""

from __future__ import annotations

import copy
import math
import pickle
import struct
import zlib
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import ContractError, WeightsError
from codectk.coding.normalize import normalize
from codectk.coding.tables import Tables

pytestmark = pytest.mark.portable

COUNTS = st.lists(st.integers(0, 2**40), min_size=2, max_size=40)


def two_tables() -> Tables:
    return Tables([[2**15, 2**15 - 1, 1], [2**16 - 5, 5, 0]], [3, 2], [-1, 7])


@settings(deadline=None)
@given(COUNTS)
def test_normalize_is_valid_and_close(counts: list[int]) -> None:
    frequencies = normalize(np.array(counts))
    assert frequencies.dtype == np.int32
    assert frequencies.sum() == 2**16 and frequencies.min() >= 1
    if not any(counts):
        counts = [1] * len(counts)
    total = sum(counts)
    for count, frequency in zip(counts, frequencies.tolist(), strict=True):
        # What rare entries get beyond their share is taken from the others: at most n of 2**16.
        assert frequency <= max(1, -(-count * 2**16 // total))
        assert frequency >= count * (2**16 - len(counts)) // total


@settings(deadline=None)
@given(COUNTS)
def test_normalize_keeps_the_order(counts: list[int]) -> None:
    frequencies = normalize(np.array(counts)).tolist()
    for (c0, f0), (c1, f1) in combinations(zip(counts, frequencies, strict=True), 2):
        assert f0 >= f1 if c0 >= c1 else f0 <= f1


def test_normalize_exact_cases() -> None:
    assert normalize(np.array([0, 0])).tolist() == [2**15, 2**15]
    assert normalize(np.array([0, 0, 0])).tolist() == [21846, 21845, 21845]
    assert normalize(np.array([1, 0])).tolist() == [2**16 - 1, 1]
    assert normalize(np.array([3, 1, 0])).tolist() == [49151, 16384, 1]
    assert normalize(np.array([2**46, 0], dtype=np.uint64)).tolist() == [2**16 - 1, 1]
    assert normalize(np.zeros(2**16, np.int8)).tolist() == [1] * 2**16


@pytest.mark.parametrize(
    "counts",
    [
        np.array([1.0, 2.0]),
        np.array([1]),
        np.array([[1, 2]]),
        np.array([-1, 2]),
        np.array([2**46, 1]),
        np.array([2**63, 2**63], np.uint64),
        np.ones(2**16 + 1, int),
    ],
)
def test_normalize_refuses(counts: np.ndarray) -> None:
    with pytest.raises(WeightsError):
        normalize(counts)


@pytest.mark.parametrize(
    ("frequencies", "sizes", "offsets"),
    [
        ([[2**16, 0]], [2], [0]),
        ([[2**16]], [1], [0]),
        ([[2**15, 2**15 - 1]], [2], [0]),
        ([[2**16 + 1, -1]], [2], [0]),
        ([[2**15, 2**15]], [3], [0]),
        ([[2**15, 2**15, 1]], [2], [0]),
        ([[2**15, 2**15, -1]], [2], [0]),
        ([[2**15, 2**15]], [2], [0, 0]),
        ([[2**15, 2**15]], [2, 2], [0]),
        ([[2**15, 2**15]], [2], [2**20 + 1]),
        ([[2**15, 2**15]], [2], [2**40]),
        ([[32768.0, 32768.0]], [2], [0]),
        ([2**15, 2**15], [2], [0]),
        (np.zeros((0, 2), int), np.zeros(0, int), np.zeros(0, int)),
        (np.ones((2**16 + 1, 2), int) * 2**15, np.full(2**16 + 1, 2), np.zeros(2**16 + 1, int)),
    ],
)
def test_nonsense_is_refused(frequencies: object, sizes: object, offsets: object) -> None:
    with pytest.raises(WeightsError):
        Tables(frequencies, sizes, offsets)


def test_from_counts_and_arrays() -> None:
    tables = Tables.from_counts([np.array([3, 1, 0]), np.array([1, 0])], [-1, 5])
    assert tables.to_arrays()["frequencies"].tolist() == [[49151, 16384, 1], [2**16 - 1, 1, 0]]
    assert tables.to_arrays()["sizes"].tolist() == [3, 2]
    assert tables.to_arrays()["offsets"].tolist() == [-1, 5]
    assert len(tables) == 2
    again = Tables.from_arrays(tables.to_arrays())
    assert again.digest() == tables.digest()
    with pytest.raises(WeightsError, match="sizes"):
        Tables.from_arrays({"frequencies": tables.frequencies, "offsets": tables.offsets})
    with pytest.raises(WeightsError):
        Tables.from_counts([], [])


def test_digest_sees_content_and_not_padding() -> None:
    tables = two_tables()
    arrays = tables.to_arrays()
    padded = np.pad(arrays["frequencies"], ((0, 0), (0, 4)))
    assert Tables(padded, arrays["sizes"], arrays["offsets"]).digest() == tables.digest()
    assert Tables(padded, arrays["sizes"], arrays["offsets"] + 1).digest() != tables.digest()
    assert Tables(padded[::-1], arrays["sizes"][::-1], arrays["offsets"]).digest() != tables.digest()
    content = struct.pack("<10i", 3, 2, -1, 7, 2**15, 2**15 - 1, 1, 2**16 - 5, 5, 0)
    assert tables.digest() == zlib.crc32(content)


def test_immutable_and_independent_of_its_arguments() -> None:
    frequencies = np.array([[2**15, 2**15]], dtype=np.int32)
    tables = Tables(frequencies, [2], [0])
    frequencies[0] = [1, 2**16 - 1]
    assert tables.frequencies.tolist() == [[2**15, 2**15]]
    for array in tables.to_arrays().values():
        with pytest.raises(ValueError):
            array[...] = 1


def test_copies_and_pickles_after_use() -> None:
    tables = two_tables()
    tables.model(0)
    assert tables.model(0) is tables.model(0)
    for other in (copy.deepcopy(tables), pickle.loads(pickle.dumps(tables))):
        assert other.digest() == tables.digest()


def test_bits_inside_the_table() -> None:
    tables = two_tables()
    expected = 1 - math.log2((2**15 - 1) / 2**16) - math.log2((2**16 - 5) / 2**16)
    assert tables.bits([0, 0, 1] * np.ones(1, int), np.array([-1, 0, 7])) == pytest.approx(expected)
    assert tables.bits(1, np.full((4, 5), 7)) == pytest.approx(-20 * math.log2((2**16 - 5) / 2**16))
    assert tables.bits(0, np.zeros(0, int)) == 0.0


def test_bits_of_escapes() -> None:
    tables = two_tables()
    # Escape entry of table 0: 16 bits; code 0 has no mantissa, code 1 (the first below) has one bit.
    length0, length1 = -math.log2((2**15 - 14) / 2**16), -math.log2(2**14 / 2**16)
    assert tables.bits(0, np.array([1])) == pytest.approx(16 + length0)
    assert tables.bits(0, np.array([-2])) == pytest.approx(16 + length1 + 1)
    assert tables.bits(0, np.array([2**30])) == pytest.approx(16 + 16 + 30)


def test_bits_refuses_what_cannot_be_coded() -> None:
    with pytest.raises(ContractError):
        two_tables().bits(2, np.array([1]))
    with pytest.raises(ContractError):
        two_tables().bits(0, np.array([1.0]))
