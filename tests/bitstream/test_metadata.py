"""Metadata of the source: one zlib stream, never decompressed beyond the limit."""

import zlib

import pytest

from codectk.base.errors import BitstreamError, LimitError
from codectk.base.limits import MAX_METADATA_BYTES
from codectk.bitstream.chunk import EXIF, XMP, Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.metadata import pack_metadata, unpack_metadata
from codectk.bitstream.reader import read
from codectk.bitstream.writer import write


def test_round_trip():
    for data in (b"x", bytes(range(256)) * 9, bytes(MAX_METADATA_BYTES)):
        assert unpack_metadata(pack_metadata(data)) == data


def test_what_is_refused():
    for data in (b"", bytes(MAX_METADATA_BYTES + 1)):
        with pytest.raises(LimitError):
            pack_metadata(data)
    with pytest.raises(LimitError):
        unpack_metadata(zlib.compress(bytes(1 << 28)))  # 260 kB that would become 256 MB
    good = zlib.compress(b"x")
    for payload in (b"", b"x", good[:-1], good + b"x", good + good, zlib.compress(b"")):
        with pytest.raises(BitstreamError):
            unpack_metadata(payload)


def test_what_is_written_keeps_the_rules():
    header, latents = Header("segpic", "codectk-segpic", 1, 1, bytes(4)), Chunk.of("LATS", b"abc")
    good = write(header, [Chunk.of(EXIF, pack_metadata(b"II*\0")), Chunk.of(XMP, pack_metadata("é".encode())), latents])
    assert read(good).payloads(EXIF) == (pack_metadata(b"II*\0"),)
    for tag, payload in ((EXIF, b"no stream"), (EXIF, pack_metadata(b"II*")), (XMP, pack_metadata(b"\xe9"))):
        with pytest.raises(BitstreamError) as caught:
            write(header, [Chunk.of(tag, payload), latents])
        assert caught.value.chunk == tag
