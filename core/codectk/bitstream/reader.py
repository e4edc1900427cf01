"""File bytes to header and chunks. Nothing is returned that a check does not vouch for."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import Literal

from codectk.base.errors import BitstreamError, ChecksumError, FormatVersionError, LimitError, TruncatedError
from codectk.base.limits import MAX_FILE_BYTES
from codectk.bitstream.chunk import CHECK_BYTES, EDITS, LATENTS, Chunk, Rules, check_payload, unpack_frame
from codectk.bitstream.edits import unpack_edits
from codectk.bitstream.header import MAGIC, Header, unpack
from codectk.bitstream.varint import Buffer


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
    header, pos = unpack(view)
    crc = zlib.crc32(view[:pos])
    rules = Rules()
    chunks: list[Chunk] = []
    sizes: list[int] = []
    complete = False
    while not complete:
        try:
            frame = unpack_frame(view, pos)
        except TruncatedError:
            if prefix:
                break
            raise
        crc = zlib.crc32(view[pos : frame.end], crc)
        after = frame.end + CHECK_BYTES
        if view[frame.end : after] != crc.to_bytes(CHECK_BYTES, "little"):
            if prefix and frame.last:
                break
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
        check_payload(chunk, offset=pos)
        chunks.append(chunk)
        sizes.append(after - pos)
        complete = frame.last
        pos = after
    if not rules.has_latents:
        if complete:
            raise BitstreamError(f"The file has no chunk {LATENTS}.", offset=pos, chunk=LATENTS)
        raise TruncatedError(f"The file is cut or damaged before its first {LATENTS} is whole.", offset=len(view))
    return Container(header, tuple(chunks), tuple(sizes), pos, complete)
