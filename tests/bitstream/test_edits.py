"""Edits in a file: round trips, the smallest bytes, and nothing read that is not written so."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import BitstreamError, UsageError
from codectk.bitstream.chunk import Chunk
from codectk.bitstream.edits import MAX_AMOUNT, pack_edits, quantize_amount, unpack_edits
from codectk.bitstream.header import Header
from codectk.bitstream.reader import read
from codectk.bitstream.writer import write

NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True)
AMOUNTS = st.integers(-MAX_AMOUNT * 64, MAX_AMOUNT * 64).filter(bool).map(lambda steps: steps / 64)


@settings(deadline=None)
@given(st.dictionaries(NAMES, AMOUNTS, min_size=1, max_size=8))
def test_round_trip(edits):
    payload = pack_edits(edits)
    assert unpack_edits(payload) == edits
    assert list(unpack_edits(payload)) == sorted(edits)
    assert len(payload) <= sum(len(name) + 3 for name in edits)
    latents = Chunk.of("LATS", b"abc")
    assert read(write(Header("hsc", "codectk-hsc", 8, 8), [Chunk.of("EDIT", payload), latents])).edits == edits


@settings(deadline=None)
@given(st.binary(max_size=12))
def test_what_is_read_is_what_would_be_written(payload):
    try:
        edits = unpack_edits(payload)
    except BitstreamError:
        return
    assert edits and pack_edits(edits) == payload


def test_a_small_amount_takes_one_byte_and_a_name_no_length():
    assert pack_edits({"smile": 1 / 64}) == b"smil\xe5\x01"
    assert len(pack_edits({"smile": 1.0})) == 6 and len(pack_edits({"smile": -4.0})) == 7


def test_amounts_are_rounded_and_zero_is_no_edit():
    assert pack_edits({"a": 0.001, "b": -0.0, "c": 0.01}) == pack_edits({"c": 1 / 64})
    assert pack_edits({}) == b""
    assert quantize_amount(quantize_amount(0.3)) == quantize_amount(0.3) == 19 / 64


def test_a_file_without_edits_has_none():
    assert read(write(Header("hsc", "codectk-hsc", 8, 8), [Chunk.of("LATS", b"abc")])).edits == {}


@pytest.mark.parametrize(
    "edits", [{"": 1}, {"Smile": 1}, {"1a": 1}, {"a b": 1}, {"a" * 33: 1}, {"ä": 1}, {"a": 1024.1}, {"a": float("nan")}]
)
def test_what_no_file_carries(edits):
    with pytest.raises(UsageError):
        pack_edits(edits)
