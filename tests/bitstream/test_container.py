"""Writer and reader together: order, rules, limits, prefixes."""

import mmap
import tracemalloc
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import BitstreamError, ChecksumError, FormatVersionError, LimitError, TruncatedError
from codectk.base.limits import MAX_CHUNKS, MAX_FILE_BYTES, MAX_METADATA_BYTES
from codectk.bitstream.chunk import Chunk
from codectk.bitstream.header import Header, pack
from codectk.bitstream.reader import read, signature
from codectk.bitstream.writer import write

HEADER = Header("segpic", "codectk-segpic", 768, 512, b"\x01\x02\x03\x04", {"quality": 50.0}, portable=True)
LATS = Chunk.of("LATS", b"abc" + b"latents")
EXTRA = Chunk("x13", b"", False)


def by_hand(*chunks: tuple[int, bytes], header: Header = HEADER) -> bytes:
    """A file with any head bytes, all checks right; the length follows from bit 7 of the head."""
    covered = out = pack(header)
    for head, payload in chunks:
        assert len(payload) < 128
        part = bytes([head]) + (b"" if head & 0x80 else bytes([len(payload)])) + payload
        covered += part
        out += part + zlib.crc32(covered).to_bytes(4, "little")
    return out


@settings(deadline=None)
@given(
    st.lists(st.binary(min_size=3, max_size=300), min_size=1, max_size=5),
    st.one_of(st.none(), st.binary(min_size=1, max_size=300)),
    st.one_of(st.none(), st.binary(min_size=1, max_size=300)),
    st.lists(st.tuples(st.sampled_from([4, *range(8, 32)]), st.binary(max_size=20)), max_size=3),
    st.randoms(use_true_random=False),
)
def test_round_trip(slices, alpha, icc, extras, random):
    metadata = [Chunk.of(tag, data) for tag, data in (("ALPH", alpha), ("ICCP", icc)) if data is not None]
    metadata += [Chunk(f"x{number}", data, False) for number, data in extras]
    random.shuffle(metadata)
    latents = [Chunk.of("LATS", data) for data in slices]
    data = write(HEADER, latents + metadata)
    found = read(data)
    assert found.header == HEADER
    assert found.chunks == tuple(metadata + latents)
    assert found.data_len == len(data) == len(pack(HEADER)) + sum(found.sizes)
    assert found.complete
    assert found.payloads("LATS") == tuple(slices)
    assert found.payloads("ICCP") == (() if icc is None else (icc,))
    assert write(found.header, found.chunks) == data


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_any_buffer_is_read(kind):
    data = write(HEADER, [LATS])
    assert read(kind(data)).chunks == (LATS,)
    assert isinstance(read(kind(data)).chunks[0].payload, bytes)
    assert signature(kind(data)) == "ctk"


def test_overhead_of_a_single_rgb_picture_is_24_bytes():
    for payload in (b"abc", b"abc" + bytes(100_000)):
        assert len(write(HEADER, [Chunk.of("LATS", payload)])) - (len(payload) - 3) == 24


def test_one_chunk_object_may_be_written_twice():
    assert read(write(HEADER, [LATS, LATS])).chunks == (LATS, LATS)


@pytest.mark.parametrize(
    ("chunks", "error"),
    [
        ([], BitstreamError),
        ([EXTRA], BitstreamError),
        ([Chunk.of("ICCP", b"i")], BitstreamError),
        ([LATS, Chunk.of("ICCP", b"i"), Chunk.of("ICCP", b"i")], BitstreamError),
        ([LATS, Chunk.of("ALPH", b"i"), Chunk.of("ALPH", b"j")], BitstreamError),
        ([LATS, Chunk.of("ALPH", b"")], BitstreamError),
        ([Chunk.of("LATS", b"ab")], BitstreamError),
        ([Chunk("LATS", b"abc", False)], BitstreamError),
        ([LATS, Chunk("ICCP", b"i", True)], BitstreamError),
        ([LATS, Chunk("x0", b"", False)], BitstreamError),
        ([LATS, Chunk.of("EDIT", b"no edits")], BitstreamError),
        ([LATS, Chunk.of("EDIT", bytes(5000))], LimitError),
        ([LATS, Chunk("x32", b"", False)], BitstreamError),
        ([LATS, Chunk("EXIF", b"", False)], BitstreamError),
        ([LATS, Chunk("x13", b"", True)], FormatVersionError),
        ([LATS, Chunk.of("ICCP", bytes(MAX_METADATA_BYTES + 1))], LimitError),
        ([LATS, Chunk("x13", bytes(MAX_METADATA_BYTES + 1), False)], LimitError),
        ([LATS] * (MAX_CHUNKS + 1), LimitError),
    ],
)
def test_what_would_not_be_read_is_not_written(chunks, error):
    with pytest.raises(BitstreamError) as caught:
        write(HEADER, chunks)
    assert type(caught.value) is error


def test_no_chunk_of_an_unknown_name():
    with pytest.raises(BitstreamError):
        Chunk.of("x13", b"")


@pytest.mark.parametrize(
    ("chunks", "error", "tag"),
    [
        ([(0x02, b"i"), (0x02, b"i"), (0xA0, b"abc")], BitstreamError, "ICCP"),
        ([(0x21, b"a"), (0x21, b"a"), (0xA0, b"abc")], BitstreamError, "ALPH"),
        ([(0x20, b"abc"), (0xA1, b"a")], BitstreamError, "ALPH"),
        ([(0x20, b"abc"), (0x82, b"i")], BitstreamError, "ICCP"),
        ([(0x80, b"abc")], BitstreamError, "LATS"),
        ([(0x01, b"a"), (0xA0, b"abc")], BitstreamError, "ALPH"),
        ([(0x22, b"i"), (0xA0, b"abc")], BitstreamError, "ICCP"),
        ([(0x02, b""), (0xA0, b"abc")], BitstreamError, "ICCP"),
        ([(0xA0, b"ab")], BitstreamError, "LATS"),
        ([(0x82, b"i")], BitstreamError, "LATS"),
        ([(0x2D, b""), (0xA0, b"abc")], FormatVersionError, "x13"),
        ([(0x24, b""), (0xA0, b"abc")], FormatVersionError, "x4"),
        ([(0x23, b"\xe1"), (0xA0, b"abc")], BitstreamError, "EDIT"),
        ([(0x23, b"\xe1\x00"), (0xA0, b"abc")], BitstreamError, "EDIT"),
        ([(0x23, b"\xe1\x01"), (0x23, b"\xe2\x01"), (0xA0, b"abc")], BitstreamError, "EDIT"),
        ([(0x20, b"abc"), (0xA3, b"\xe1\x01")], BitstreamError, "EDIT"),
        ([(0x20, b"abc"), (0xBF, b"")], FormatVersionError, "x31"),
        ([(0xE0, b"abc")], FormatVersionError, "LATS"),
        ([(0x4D, b""), (0xA0, b"abc")], FormatVersionError, "x13"),
        ([(0x20, b"abc")], TruncatedError, None),
        ([], TruncatedError, None),
    ],
)
def test_files_that_break_a_rule_are_refused(chunks, error, tag):
    with pytest.raises(BitstreamError) as caught:
        read(by_hand(*chunks))
    assert type(caught.value) is error
    assert caught.value.chunk == tag
    assert caught.value.offset is not None


def test_damage_is_told_from_a_newer_file():
    data = by_hand((0x0D, b""), (0xA0, b"abc"))
    assert [chunk.tag for chunk in read(data).chunks] == ["x13", "LATS"]
    flipped = bytearray(data)
    flipped[len(pack(HEADER))] ^= 0x20
    with pytest.raises(ChecksumError):
        read(flipped)


def test_unknown_ancillary_chunks_are_skipped_anywhere_and_may_repeat():
    found = read(by_hand((0x0D, b"1"), (0x20, b"abc"), (0x0D, b"2"), (0x9F, b"")))
    assert [chunk.tag for chunk in found.chunks] == ["x13", "LATS", "x13", "x31"]
    assert found.payloads("LATS") == (b"abc",)


def test_most_chunks():
    most = by_hand(*[(0x0D, b"")] * (MAX_CHUNKS - 1), (0xA0, b"abc"))
    assert len(read(most).chunks) == MAX_CHUNKS
    assert read(most).data_len == len(most)
    with pytest.raises(LimitError):
        read(by_hand(*[(0x0D, b"")] * MAX_CHUNKS, (0xA0, b"abc")))


def peak_of_reading(data, error) -> int:
    """Bytes allocated while `read(data)` fails with `error`."""
    tracemalloc.start()
    try:
        with pytest.raises(error):
            read(data)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_nothing_is_allocated_for_a_length_that_cannot_be():
    data = pack(HEADER) + b"\x20\xff\xff\xff\xff\x0f" + bytes(100)
    assert peak_of_reading(data, TruncatedError) < 100_000


def test_nothing_is_allocated_for_metadata_beyond_its_limit():
    front = pack(HEADER) + b"\x82" + bytes(MAX_METADATA_BYTES + 1)
    assert peak_of_reading(front + zlib.crc32(front).to_bytes(4, "little"), LimitError) < 100_000


def test_a_file_beyond_the_limit_is_not_even_looked_at():
    with mmap.mmap(-1, MAX_FILE_BYTES + 1) as huge, memoryview(huge) as view:
        assert peak_of_reading(view, LimitError) < 100_000


def test_a_file_beyond_the_limit_is_not_written():
    half = Chunk.of("LATS", bytes(MAX_FILE_BYTES // 64))
    with pytest.raises(LimitError):
        write(HEADER, [half] * 64)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"", "need-more"), (b"\xc7", "need-more"), (b"\xc7T", "need-more"), (b"\xc7TK", "ctk"),
        (b"\xc7TK\x10more", "ctk"), (b"x", "not-ctk"), (b"\xc7x", "not-ctk"), (b"\xc7Tx", "not-ctk"),
        (b"\x89PNG", "not-ctk"),
    ],
)  # fmt: skip
def test_signature(data, answer):
    assert signature(data) == answer


SLICES = [b"abc" + bytes([k]) * (40 * k) for k in range(1, 5)]
PROGRESSIVE = write(HEADER, [Chunk.of("LATS", data) for data in SLICES] + [Chunk.of("ALPH", b"alpha")])


def test_a_prefix_gives_every_whole_slice_and_says_so():
    whole = read(PROGRESSIVE)
    borders = [len(pack(HEADER))]
    for size in whole.sizes:
        borders.append(borders[-1] + size)
    for cut in range(len(PROGRESSIVE)):
        count = sum(border <= cut for border in borders[1:])
        if count < 2:
            with pytest.raises(TruncatedError):
                read(PROGRESSIVE[:cut], prefix=True)
            continue
        part = read(PROGRESSIVE[:cut], prefix=True)
        assert part.chunks == whole.chunks[:count]
        assert part.data_len == borders[count]
        assert not part.complete
    assert read(PROGRESSIVE, prefix=True) == whole


def test_damage_never_passes_as_a_prefix():
    whole = read(PROGRESSIVE)
    for place in range(len(PROGRESSIVE)):
        for mask in (0x01, 0x20, 0x80, 0xFF):
            data = bytearray(PROGRESSIVE)
            data[place] ^= mask
            try:
                part = read(data, prefix=True)
            except BitstreamError:
                continue
            assert not part.complete
            assert part.chunks == whole.chunks[: len(part.chunks)]
            assert part.header == whole.header
            assert place >= part.data_len


def test_damage_in_a_slice_with_a_length_is_refused_as_a_prefix_too():
    data = bytearray(PROGRESSIVE)
    place = PROGRESSIVE.index(SLICES[1])
    data[place + 9] ^= 1
    with pytest.raises(ChecksumError) as caught:
        read(data, prefix=True)
    assert caught.value.chunk == "LATS"
    assert caught.value.offset == place + len(SLICES[1])
