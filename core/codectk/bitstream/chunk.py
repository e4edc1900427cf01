"""Chunks: the table of tags, the bytes around a payload, and the rules a row of chunks keeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from codectk.base.errors import BitstreamError, FormatVersionError, LimitError, TruncatedError
from codectk.base.limits import MAX_CHUNKS, MAX_FILE_BYTES, MAX_METADATA_BYTES
from codectk.bitstream.edits import MAX_EDITS_BYTES, unpack_edits
from codectk.bitstream.metadata import unpack_exif, unpack_xmp
from codectk.bitstream.varint import Buffer, decode_varint, encode_varint

LATENTS = "LATS"
"""Entropy-coded latents; the only tag that may repeat: a layered codec's layers, the base layer first, or tiles."""

ALPHA = "ALPH"
"""Lossless alpha, a PNG of mode L."""

ICC = "ICCP"
"""The ICC profile the pixels are in."""

EDITS = "EDIT"
"""Amounts of edits by name (`codectk.bitstream.edits`)."""

EXIF = "EXIF"
"""EXIF of the source, upright: a TIFF structure (`codectk.bitstream.metadata`)."""

XMP = "XMPP"
"""The XMP packet of the source, upright (`codectk.bitstream.metadata`)."""

TILES = "TILE"
"""How a large picture is cut, and where its tiles lie (`codectk.bitstream.tiles`)."""

DIGEST_BYTES = 3
"""Part of every latents payload that is its digest, in bytes; the least a payload has (coding/PAYLOAD.md)."""

CHECK_BYTES = 4
"""Bytes of CRC-32 after every payload."""

_NUMBER, _CRITICAL, _RESERVED, _LAST = 0x1F, 0x20, 0x40, 0x80


@dataclass(frozen=True)
class _Tag:
    """What the format says about one tag: number in the head byte, critical bit, payload bytes (least, most)."""

    number: int
    critical: bool
    least: int
    most: int


# Number 4 (recipe) is promised in FORMAT.md and stays unknown, hence refused when critical, until its payload is
# defined.
_TAGS: Mapping[str, _Tag] = MappingProxyType(
    {
        LATENTS: _Tag(0, critical=True, least=DIGEST_BYTES, most=MAX_FILE_BYTES),
        ALPHA: _Tag(1, critical=True, least=1, most=MAX_FILE_BYTES),
        ICC: _Tag(2, critical=False, least=1, most=MAX_METADATA_BYTES),
        EDITS: _Tag(3, critical=True, least=2, most=MAX_EDITS_BYTES),
        TILES: _Tag(5, critical=True, least=3, most=MAX_METADATA_BYTES),
        EXIF: _Tag(6, critical=False, least=1, most=MAX_METADATA_BYTES),
        XMP: _Tag(7, critical=False, least=1, most=MAX_METADATA_BYTES),
    }
)
_NAMES: Mapping[int, str] = MappingProxyType({tag.number: name for name, tag in _TAGS.items()})
_UNKNOWN: Mapping[str, int] = MappingProxyType({f"x{n}": n for n in range(_NUMBER + 1) if n not in _NAMES})


@dataclass(frozen=True)
class Chunk:
    """One chunk.

    Attributes:
        tag: "LATS", "ALPH", "ICCP", "EDIT", "TILE", "EXIF" or "XMPP", or "x<number>" for a tag that this version
            does not know.
        payload: the bytes inside.
        critical: True if a reader that does not know the tag must refuse the file.
    """

    tag: str
    payload: bytes = field(repr=False)
    critical: bool

    @classmethod
    def of(cls, tag: str, payload: bytes) -> Chunk:
        """A chunk with a known tag; the table says whether it is critical.

        Raises:
            BitstreamError: if the tag is not known.
        """
        if tag not in _TAGS:
            raise BitstreamError(f"No chunk is named {tag!r}, the names are {', '.join(_TAGS)}.", chunk=tag)
        return cls(tag, payload, _TAGS[tag].critical)


@dataclass(frozen=True)
class Frame:
    """Where a chunk lies in a file, before its check is verified.

    Attributes:
        tag: name of the tag, as in `Chunk`.
        critical, reserved, last: bits of the head byte.
        start, end: payload position in bytes; the check follows at `end`.
    """

    tag: str
    critical: bool
    reserved: bool
    last: bool
    start: int
    end: int


def pack_front(chunk: Chunk, *, last: bool) -> bytes:
    """The head byte, and the length unless it is the last chunk.

    Raises:
        BitstreamError: if the tag has no number or the payload is too long for a length field.
    """
    number = _TAGS[chunk.tag].number if chunk.tag in _TAGS else _UNKNOWN.get(chunk.tag)
    if number is None:
        raise BitstreamError(f"No chunk is named {chunk.tag!r}.", chunk=chunk.tag)
    head = number | (_CRITICAL if chunk.critical else 0) | (_LAST if last else 0)
    return bytes([head]) + (b"" if last else encode_varint(len(chunk.payload)))


def tag_at(view: Buffer, pos: int) -> str | None:
    """The name of the tag of the chunk that starts at `view[pos]`, not verified; None behind the end."""
    return _name_of(view[pos] & _NUMBER) if pos < len(view) else None


def _name_of(number: int) -> str:
    return _NAMES.get(number, f"x{number}")


def unpack_frame(view: Buffer, pos: int) -> Frame:
    """Find the borders of the chunk that starts at `view[pos]`. No byte of it is trusted yet.

    Raises:
        TruncatedError: if the data ends before the chunk does.
        BitstreamError: if the length is not a valid number.
    """
    total = len(view)
    if pos >= total:
        raise TruncatedError("The file is cut: its last chunk is missing.", offset=total)
    head = view[pos]
    number, last = head & _NUMBER, bool(head & _LAST)
    tag = _name_of(number)
    start = pos + 1
    room = total - CHECK_BYTES
    if last:
        end = room
    else:
        length, start = decode_varint(view, start, total)
        end = start + length
    if end > room or end < start:
        raise TruncatedError(f"The file is cut within chunk {tag}.", offset=total, chunk=tag)
    return Frame(tag, bool(head & _CRITICAL), bool(head & _RESERVED), last, start, end)


def check_payload(chunk: Chunk, *, offset: int | None = None) -> None:
    """Check what this room knows about a payload: that edits and metadata can be read.

    Raises:
        BitstreamError: they cannot; `offset` is the position of the chunk in the file, for messages.
    """
    checks: Mapping[str, Callable[[bytes], object]] = {
        EDITS: unpack_edits,
        EXIF: unpack_exif,
        XMP: unpack_xmp,
    }
    if chunk.tag in checks:
        try:
            checks[chunk.tag](chunk.payload)
        except BitstreamError as error:
            kind = LimitError if isinstance(error, LimitError) else BitstreamError
            raise kind(str(error), offset=offset, chunk=chunk.tag) from error


class Rules:
    """What a row of chunks must keep, asked before each payload is copied. Reader and writer share it,
    so nothing can be written that would not be read."""

    def __init__(self) -> None:
        self._count = 0
        self._seen: set[str] = set()

    def admit(self, tag: str, critical: bool, length: int, *, offset: int | None = None) -> None:
        """Accept the next chunk.

        Args:
            tag: its tag.
            critical: its critical bit.
            length: payload length in bytes.
            offset: position of the chunk in the file, for messages.

        Raises:
            FormatVersionError: if the tag is unknown and critical.
            LimitError: if there are too many chunks, or the payload is too long.
            BitstreamError: if the chunk must not stand here or look like this.
        """
        if self._count >= MAX_CHUNKS:
            raise LimitError(f"The file has more than {MAX_CHUNKS} chunks.", offset=offset, chunk=tag)
        known = _TAGS.get(tag)
        if known is None and critical:
            raise FormatVersionError(
                f"The picture cannot be shown without chunk {tag}, which this codectk does not know.",
                offset=offset,
                chunk=tag,
            )
        if length > (known.most if known else MAX_METADATA_BYTES):
            raise LimitError(f"Chunk {tag} is too long with {length} bytes.", offset=offset, chunk=tag)
        if known is not None:
            self._admit_known(tag, known, critical, length, offset)
        self._count += 1
        self._seen.add(tag)

    def _admit_known(self, tag: str, known: _Tag, critical: bool, length: int, offset: int | None) -> None:
        if critical != known.critical:
            raise BitstreamError(f"The critical bit of chunk {tag} is wrong.", offset=offset, chunk=tag)
        if length < known.least:
            raise BitstreamError(f"Chunk {tag} is too short with {length} bytes.", offset=offset, chunk=tag)
        if tag != LATENTS and tag in self._seen:
            raise BitstreamError(f"There are two chunks {tag}.", offset=offset, chunk=tag)
        if tag != LATENTS and LATENTS in self._seen:
            raise BitstreamError(f"Chunk {tag} stands after the first {LATENTS}.", offset=offset, chunk=tag)
