"""Header and chunks to file bytes."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from codectk.base.errors import BitstreamError, LimitError
from codectk.base.limits import MAX_FILE_BYTES
from codectk.bitstream.chunk import CHECK_BYTES, LATENTS, TILES, Chunk, Rules, check_payload, pack_front
from codectk.bitstream.header import Header, pack
from codectk.bitstream.tiles import check_tiles


def write(header: Header, chunks: Iterable[Chunk]) -> bytes:
    """The file as bytes; `codectk.bitstream.reader.read` accepts whatever this returns.

    Latents are moved behind all other chunks, and the list of tiles right before them (a prefix of the file then never
    lacks metadata); otherwise the order given is kept.

    Raises:
        LimitError: if the picture, a chunk, the number of chunks or the file is beyond the limits.
        UsageError: if a knob cannot be coded.
        FormatVersionError: if a chunk is critical and its tag unknown, or the version is not 1.
        BitstreamError: if the chunks break a rule of the format or a header field cannot be written.
    """
    row = sorted(chunks, key=lambda chunk: (chunk.tag == LATENTS, chunk.tag == TILES))
    rules = Rules()
    for chunk in row:
        rules.admit(chunk.tag, chunk.critical, len(chunk.payload))
        check_payload(chunk)
    if not any(chunk.tag == LATENTS for chunk in row):
        raise BitstreamError(f"A file needs a chunk {LATENTS}.", chunk=LATENTS)
    front = pack(header)
    check_tiles(row, header.width, header.height)
    fronts = [pack_front(chunk, last=place == len(row)) for place, chunk in enumerate(row, 1)]
    total = len(front) + sum(len(f) + len(c.payload) + CHECK_BYTES for f, c in zip(fronts, row, strict=True))
    if total > MAX_FILE_BYTES:
        raise LimitError(f"The file would have {total} bytes, the most is {MAX_FILE_BYTES}.")
    parts = [front]
    crc = zlib.crc32(front)
    for chunk_front, chunk in zip(fronts, row, strict=True):
        crc = zlib.crc32(chunk.payload, zlib.crc32(chunk_front, crc))
        parts += (chunk_front, chunk.payload, crc.to_bytes(CHECK_BYTES, "little"))
    return b"".join(parts)
