"""Damage and forgeries are what they say."""

import pytest

from codectk.bitstream.chunk import Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.reader import read
from codectk.bitstream.writer import write
from codectk.testing import corrupt

CHUNKS = [Chunk.of("ICCP", b"profile"), Chunk.of("LATS", b"abc" + bytes(range(40)))]
GOOD = write(Header("pocket", "codectk-pocket", 3, 2), CHUNKS)


def test_flips_turn_every_bit_and_keep_the_length():
    damaged = [data for _, data in corrupt.flips(GOOD)]
    assert len(damaged) == len({*damaged}) == 9 * len(GOOD)
    assert all(len(data) == len(GOOD) and data != GOOD for data in damaged)


def test_cuts_give_every_shorter_file():
    damaged = [data for _, data in corrupt.cuts(GOOD)]
    assert [len(data) for data in damaged] == [*range(len(GOOD)), len(GOOD) + 1]


def test_forgeries_pass_the_container_and_change_only_the_latents():
    forged = [data for _, data in corrupt.forged_payloads(GOOD, 5)]
    assert len({*forged}) == 7
    for data in forged:
        container = read(data)
        assert container.header == read(GOOD).header
        assert container.payloads("ICCP") == (b"profile",)
        assert container.payloads("LATS") != read(GOOD).payloads("LATS")


def test_weights_are_renamed():
    container = read(corrupt.with_weights(GOOD, b"\x01\x02\x03\x04"))
    assert container.header.weights == b"\x01\x02\x03\x04"
    assert container.payloads("LATS") == read(GOOD).payloads("LATS")


@pytest.mark.parametrize("count", [1, 2, 100])
def test_forgeries_of_any_count(count):
    places = [what for what, _ in corrupt.forged_payloads(GOOD, count) if "byte" in what]
    assert len(places) == min(count, 43)
