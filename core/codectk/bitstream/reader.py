"""File bytes to header and chunks. Nothing is returned that a check does not vouch for."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from codectk.base.errors import (
    BitstreamError,
    ChecksumError,
    FormatVersionError,
    LimitError,
    TruncatedError,
)
from codectk.base.inputs import Data, read_bytes, read_part, size_of
from codectk.base.limits import MAX_FILE_BYTES
from codectk.bitstream.chunk import (
    CHECK_BYTES,
    EDITS,
    LATENTS,
    TILES,
    Chunk,
    Rules,
    check_payload,
    tag_at,
    unpack_frame,
)
from codectk.bitstream.edits import unpack_edits
from codectk.bitstream.header import MAGIC, Header, unpack
from codectk.bitstream.tiles import Tiling, check_tiles, unpack_tiling
from codectk.bitstream.varint import Buffer


def file_bytes(data: Data) -> bytes | bytearray | memoryview:
    """The bytes of a `.ctk` file, read once; arguments and errors as for `base.inputs.read_bytes`."""
    return read_bytes(data, MAX_FILE_BYTES, "A .ctk file")


@dataclass(frozen=True)
class Container:
    """A verified file.

    Attributes:
        header: what the front says.
        chunks: the chunks in file order, unknown ancillary ones included (skip what you do not know).
        sizes: bytes each chunk takes in the file: head, length, payload and check.
        data_len: bytes that were read: header and `sizes`. The whole file, unless `complete` is False.
        complete: False if the end of the file is missing (only with `read(prefix=True)`).
    """

    header: Header
    chunks: tuple[Chunk, ...]
    sizes: tuple[int, ...]
    data_len: int
    complete: bool = True

    def payloads(self, tag: str) -> tuple[bytes, ...]:
        """The payloads of all chunks with this tag, in file order."""
        return tuple(chunk.payload for chunk in self.chunks if chunk.tag == tag)

    @property
    def edits(self) -> dict[str, float]:
        """Amounts of the edits by name; empty for a file without any."""
        return unpack_edits(self.payloads(EDITS)[0]) if self.payloads(EDITS) else {}

    @property
    def tiling(self) -> Tiling | None:
        """How the picture is cut into tiles, each with a LATS of its own; None for one piece."""
        found = self.payloads(TILES)
        return unpack_tiling(found[0], self.header.width, self.header.height) if found else None


def signature(data: Buffer) -> Literal["ctk", "not-ctk", "need-more"]:
    """Whether the data starts like a `.ctk` file; "need-more" if it is too short to tell (3 bytes do)."""
    front = bytes(data[: len(MAGIC)])
    if front != MAGIC[: len(front)]:
        return "not-ctk"
    return "ctk" if len(front) == len(MAGIC) else "need-more"


def read(data: Buffer, *, prefix: bool = False) -> Container:
    """Read and verify a file.

    Each chunk's check covers the header and all chunks before it, and is compared before the chunk is
    looked into: an error about its meaning is never an accident of damage.

    Args:
        data: the file.
        prefix: accept a file whose end is missing, and return the chunks that are whole, if there is at
            least one with latents. The last chunk has no length of its own, so damage in it looks like a
            cut and drops it; `Container.complete` is then False.

    Raises:
        NotCtkError: if it is another kind of file.
        TruncatedError: if the file ends too early.
        ChecksumError: if a check does not fit: the file is damaged, or cut within its last chunk.
        FormatVersionError: if the file needs a newer reader.
        LimitError: if a declared size is beyond the limits; nothing was allocated for it.
        BitstreamError: if the bytes break a rule of the format.
    """
    view = memoryview(data).cast("B")
    if len(view) > MAX_FILE_BYTES:
        raise LimitError(f"The file has {len(view)} bytes, the most is {MAX_FILE_BYTES}.")
    header, front = unpack(view)
    pos, chunks, sizes, complete = front, [], [], False
    for chunk, after, last in _chunks(view, front, prefix=prefix):
        chunks.append(chunk)
        sizes.append(after - pos)
        pos, complete = after, last
    if not any(chunk.tag == LATENTS for chunk in chunks):
        if complete:
            raise BitstreamError(f"The file has no chunk {LATENTS}.", offset=pos, chunk=LATENTS)
        raise TruncatedError(f"The file is cut or damaged before its first {LATENTS} is whole.", offset=len(view))
    check_tiles(chunks, header.width, header.height, complete=complete)
    return Container(header, tuple(chunks), tuple(sizes), pos, complete)


class TiledFile:
    """The tiles of a file, one by one, without reading the rest of it; from `open_tiles`.

    Attributes:
        front: header and the chunks before the first tile, verified; `complete` is False.
        tiling: how the picture is cut.
    """

    def __init__(self, data: Buffer | str, front: Container, tiling: Tiling) -> None:
        self._data, self.front, self.tiling = data, front, tiling
        self._starts = tiling.starts(front.data_len)

    @property
    def header(self) -> Header:
        """The file's header."""
        return self.front.header

    def payload(self, tile: int) -> bytes:
        """The verified payload of a tile.

        Raises:
            ChecksumError: it is damaged.
            InputError: the file cannot be read any more.
        """
        payload = read_part(self._data, self._starts[tile], self.tiling.lengths[tile])
        self.tiling.check(tile, payload)
        return payload


_FRONT_BYTES = 1 << 16


def open_tiles(data: Buffer | str) -> TiledFile | None:
    """Verify the front of a file and find its tiles; None for a file of one piece, which is read as a whole.

    Args:
        data: what `base.inputs.in_parts` gives for the file.

    Raises:
        BitstreamError: as `read`, and where the file is shorter or longer than its list of tiles says.
        InputError, LimitError: as `file_bytes`.
    """
    total = size_of(data, MAX_FILE_BYTES)
    want = _FRONT_BYTES
    while True:
        try:
            found = _tiled_front(memoryview(read_part(data, 0, want)))
            break
        except TruncatedError:
            # A profile or a mask may make the front longer than what was read.
            if want >= total:
                raise
            want *= 4
    if found is None:
        return None
    front, tiling = found
    end = tiling.end(front.data_len)
    if total < end:
        raise TruncatedError(f"The file is cut: it has {total} bytes of {end}.", offset=total, chunk=LATENTS)
    if total > end:
        raise BitstreamError(f"The file has {total - end} bytes behind its last chunk.", offset=end)
    return TiledFile(data, front, tiling)


def _tiled_front(view: memoryview) -> tuple[Container, Tiling] | None:
    """Header and chunks up to the list of tiles, and the list; None where latents come without one."""
    header, pos = unpack(view)
    chunks, sizes = [], []
    for chunk, after, _ in _chunks(view, pos, until=LATENTS):
        chunks.append(chunk)
        sizes.append(after - pos)
        pos = after
        if chunk.tag == TILES:
            front = Container(header, tuple(chunks), tuple(sizes), pos, complete=False)
            return front, unpack_tiling(chunk.payload, header.width, header.height)
    return None


def _chunks(
    view: memoryview, pos: int, *, prefix: bool = False, until: str | None = None
) -> Iterator[tuple[Chunk, int, bool]]:
    """Each verified chunk of a file whose header ends at `pos`, the position after it, and whether it is the last.

    Args:
        view: the file.
        pos: where the first chunk begins.
        prefix: end quietly where the file does, or where a last chunk's check does not fit.
        until: end before the first chunk with this tag.
    """
    crc = zlib.crc32(view[:pos])
    rules = Rules()
    last = False
    while not last:
        if until is not None and tag_at(view, pos) == until:
            return
        try:
            frame = unpack_frame(view, pos)
        except TruncatedError:
            if prefix:
                return
            raise
        crc = zlib.crc32(view[pos : frame.end], crc)
        after = frame.end + CHECK_BYTES
        if view[frame.end : after] != crc.to_bytes(CHECK_BYTES, "little"):
            if prefix and frame.last:
                return
            what = "damaged or cut" if frame.last else "damaged"
            raise ChecksumError(
                f"The check of chunk {frame.tag} does not fit: the file is {what}.", offset=frame.end, chunk=frame.tag
            )
        if frame.reserved:
            raise FormatVersionError(
                f"Chunk {frame.tag} has a bit set that this codectk does not know.", offset=pos, chunk=frame.tag
            )
        rules.admit(frame.tag, frame.critical, frame.end - frame.start, offset=pos)
        chunk = Chunk(frame.tag, bytes(view[frame.start : frame.end]), frame.critical)
        if chunk.critical:  # a picture is whole without the others: whoever uses them looks into them
            check_payload(chunk, offset=pos)
        pos, last = after, frame.last
        yield chunk, after, last
