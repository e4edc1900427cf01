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


def test_every_layer_is_forged_alone():
    data = write(Header("onion", "codectk-onion", 3, 2), [*CHUNKS, Chunk.of("LATS", b"layer one")])
    kept = [read(forged).payloads("LATS") for _, forged in corrupt.forged_payloads(data, 5)]
    first, second = read(data).payloads("LATS")
    assert [one for one, two in kept if two == second and one != first] == [one for one, _ in kept[:7]]
    assert [two for one, two in kept if one == first and two != second] == [two for _, two in kept[7:]]
    assert len(kept) == 14


def test_layers_end_where_a_cut_leaves_them_whole():
    data = write(Header("onion", "codectk-onion", 3, 2), [*CHUNKS, Chunk.of("LATS", b"layer one")])
    base, end = corrupt.layer_ends(data)
    assert end == len(data)
    assert read(data[:base], prefix=True).data_len == base
    assert corrupt.layer_ends(GOOD) == [len(GOOD)]


def test_weights_are_renamed():
    container = read(corrupt.with_weights(GOOD, b"\x01\x02\x03\x04"))
    assert container.header.weights == b"\x01\x02\x03\x04"
    assert container.payloads("LATS") == read(GOOD).payloads("LATS")


@pytest.mark.parametrize("count", [1, 2, 100])
def test_forgeries_of_any_count(count):
    places = [what for what, _ in corrupt.forged_payloads(GOOD, count) if "byte" in what]
    assert len(places) == min(count, 43)
