"""Whatever happens to a file, reading it ends in a typed error: every byte, every value, every cut."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import BitstreamError, ChecksumError, NotCtkError, TruncatedError
from codectk.bitstream.chunk import Chunk
from codectk.bitstream.edits import pack_edits
from codectk.bitstream.header import Header, pack
from codectk.bitstream.reader import read
from codectk.bitstream.writer import write

PLAIN = Header("segpic", "codectk-segpic", 768, 512, b"\x8b\xad\xf0\x0d", {"quality": 37.5}, portable=True)
NAMED = Header("toy.codec", "Toy_Codec", 3, 70, grey=True, knobs={"seed": 2**32 - 1, "steps": 50, "guidance": 2.0})


def noise(seed: int, size: int) -> bytes:
    return random.Random(seed).randbytes(size)


def slices(seed: int, *sizes: int) -> list[Chunk]:
    return [Chunk.of("LATS", noise(seed + k, size)) for k, size in enumerate(sizes)]


FILES = {
    "single": write(PLAIN, slices(1, 40)),
    "smallest": write(Header("hsc", "codectk-hsc", 1, 1), slices(2, 3)),
    "named": write(NAMED, slices(3, 20)),
    "zeros": write(PLAIN, [Chunk.of("LATS", bytes(40))]),
    "progressive": write(PLAIN, slices(4, 12, 3, 15, 10)),
    "empty slices": write(PLAIN, slices(5, 3, 3, 3)),
    "metadata": write(NAMED, [*slices(6, 12), Chunk.of("ALPH", noise(7, 6)), Chunk.of("ICCP", noise(8, 128))]),
    "edits": write(PLAIN, [Chunk.of("EDIT", pack_edits({"smile": 1.5, "age": -1})), *slices(13, 9, 5)]),
    "extras": write(PLAIN, [Chunk("x13", b"", False), Chunk("x31", noise(9, 9), False), *slices(10, 10, 11)]),
    "file in a file": write(PLAIN, [Chunk("x9", write(PLAIN, slices(11, 9)), False), *slices(12, 9)]),
}
every_file = pytest.mark.parametrize("data", FILES.values(), ids=FILES.keys())


def refused(data: bytes) -> BitstreamError:
    """The typed error that reading `data` gives; any other end is a failure of the test."""
    with pytest.raises(BitstreamError) as caught:
        read(data)
    return caught.value


@every_file
def test_intact_files_are_read(data):
    assert read(data).data_len == len(data)


@every_file
def test_every_byte_with_every_other_value_is_refused(data):
    for place, old in enumerate(data):
        damaged = bytearray(data)
        for new in range(256):
            if new != old:
                damaged[place] = new
                refused(damaged)


@every_file
def test_every_cut_is_refused(data):
    for end in range(len(data)):
        assert isinstance(refused(data[:end]), TruncatedError | ChecksumError)


@every_file
def test_every_missing_or_doubled_byte_is_refused(data):
    for place in range(len(data)):
        refused(data[:place] + data[place + 1 :])
        refused(data[:place] + data[place : place + 1] + data[place:])


@every_file
def test_every_missing_front_is_refused(data):
    for start in range(1, len(data)):
        refused(data[start:])


@every_file
@pytest.mark.parametrize("tail", [b"\x00", b"\n", b"\r\n", bytes(4), bytes(512), b"\xff" * 4], ids=len)
def test_a_tail_is_refused(data, tail):
    assert isinstance(refused(data + tail), ChecksumError)


def test_two_files_in_a_row_are_refused():
    for first in FILES.values():
        for second in FILES.values():
            assert isinstance(refused(first + second), ChecksumError)


@every_file
def test_every_swap_of_two_neighbors_is_refused(data):
    for place in range(len(data) - 1):
        if data[place] != data[place + 1]:
            refused(data[:place] + data[place + 1 : place + 2] + data[place : place + 1] + data[place + 2 :])


@every_file
def test_text_transfers_are_refused(data):
    spoiled = [
        data.replace(b"\n", b"\r\n"),
        data.replace(b"\r\n", b"\n"),
        bytes(byte & 0x7F for byte in data),
        data.decode("latin-1").encode(),
        data.decode(errors="replace").encode(),
    ]
    for other in spoiled:
        if other != data:
            refused(other)
    assert isinstance(refused(spoiled[2]), NotCtkError)


def test_bursts_and_scattered_damage_are_refused():
    rng = random.Random(0)
    for data in FILES.values():
        for _ in range(500):
            damaged = bytearray(data)
            if rng.random() < 0.5:
                start, size = rng.randrange(len(data)), rng.randrange(1, 20)
                damaged[start : start + size] = rng.randbytes(min(size, len(data) - start))
            else:
                for _ in range(rng.randrange(2, 8)):
                    damaged[rng.randrange(len(data))] ^= rng.randrange(256)
            if damaged != data:
                refused(damaged)


def parts(header: Header, chunks: list[Chunk]) -> tuple[bytes, list[bytes]]:
    """A written file as its header and its chunks, each with frame and check."""
    data = write(header, chunks)
    pos, rows = len(pack(header)), []
    for size in read(data).sizes:
        rows.append(data[pos : pos + size])
        pos += size
    return pack(header), rows


def test_chunks_of_two_files_do_not_go_together():
    front, ours = parts(PLAIN, slices(20, 10, 10, 10, 10))
    same, theirs = parts(PLAIN, slices(30, 10, 10, 10, 10))
    assert front == same
    for place in range(4):
        mixed = [*ours[:place], theirs[place], *ours[place + 1 :]]
        assert isinstance(refused(front + b"".join(mixed)), ChecksumError)
    for place in range(1, 4):
        mixed = ours[:place] + theirs[place:]
        assert isinstance(refused(front + b"".join(mixed)), ChecksumError)


def test_slices_in_another_order_or_number_are_refused():
    front, rows = parts(PLAIN, slices(40, 10, 10, 10, 10))
    for order in [(1, 0, 2, 3), (0, 2, 1, 3), (0, 1, 3), (0, 3), (3,), (0, 0, 1, 2, 3), (0, 1, 1, 2, 3)]:
        assert isinstance(refused(front + b"".join(rows[k] for k in order)), ChecksumError)


def test_the_check_covers_the_header():
    for other in [
        Header("egic", "codectk-egic", 768, 512, b"\x8b\xad\xf0\x0d", {"quality": 37.5}, portable=True),
        Header("segpic", "codectk-segpic", 512, 768, b"\x8b\xad\xf0\x0d", {"quality": 37.5}, portable=True),
        Header("segpic", "codectk-segpic", 768, 512, b"\x8b\xad\xf0\x0e", {"quality": 37.5}, portable=True),
        Header("segpic", "codectk-segpic", 768, 512, b"\x8b\xad\xf0\x0d", {"quality": 37.6}, portable=True),
        Header("segpic", "codectk-segpic", 768, 512, b"\x8b\xad\xf0\x0d", {"quality": 37.5}, grey=True),
    ]:
        _, rows = parts(PLAIN, slices(50, 10))
        assert isinstance(refused(pack(other) + rows[0]), ChecksumError)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_garbage_is_refused(data):
    refused(data)
    refused(b"\xc7TK" + data)
    refused(pack(PLAIN) + data)


@settings(deadline=None)
@given(st.sampled_from(list(FILES.values())), st.integers(1, 400), st.binary(min_size=1, max_size=60))
def test_garbage_behind_an_intact_front_is_refused(data, keep, rest):
    keep = min(keep, len(data) - 1)
    if data[keep:] != rest:
        refused(data[:keep] + rest)
