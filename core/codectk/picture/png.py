"""What a PNG says beside its pixels, read here where Pillow does not read it or gives up on it."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from codectk.base.limits import MAX_METADATA_BYTES

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_METADATA = (b"XML:com.adobe.xmp", b"Raw profile type exif", b"Raw profile type APP1", b"Raw profile type xmp")
"""Keywords of texts that are more than words."""

_PILLOWS_MOST = 1 << 20
"""Pillow takes a text or profile of more bytes for an attack, and the PNG for damaged."""


@dataclass(frozen=True)
class PngFacts:
    """What stands in a PNG's chunks.

    Attributes:
        data: the PNG without the chunks that Pillow should not meet: texts that are only words, and texts and profiles
            that are too long for it.
        icc: an ICC profile that was taken out.
        cicp: color space by numbers (ITU-T H.273): primaries, transfer, matrix, full range; or None.
        dropped: whether a text with metadata was too long.
    """

    data: bytes
    icc: bytes | None = None
    cicp: tuple[int, int, int, int] | None = None
    dropped: bool = False


def facts(data: bytes) -> PngFacts:
    """Look through the chunks of a PNG; a damaged one is left to Pillow as it is."""
    kept = [data[: len(SIGNATURE)]]
    icc, cicp, dropped = None, None, False
    for tag, payload, whole in _chunks(data):
        if tag in _TEXTS:
            keyword, _, rest = payload.partition(b"\0")
            if keyword not in _METADATA:
                continue
            if len(rest) > _PILLOWS_MOST or _too_long(tag, rest):
                dropped = True
                continue
        elif tag == b"iCCP":
            _, _, rest = payload.partition(b"\0")
            found = _inflated(rest[1:], MAX_METADATA_BYTES) if rest[:1] == b"\0" else None
            if found is not None and len(found) > _PILLOWS_MOST:
                icc = found
                continue
        elif tag == b"cICP" and len(payload) == 4:
            cicp = (payload[0], payload[1], payload[2], payload[3])
        kept.append(whole)
    return PngFacts(b"".join(kept), icc, cicp, dropped)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes, bytes]]:
    """Tag, payload and all bytes of each chunk; what is cut or stands behind the last one comes as it is, untagged."""
    at = len(SIGNATURE)
    while at + 12 <= len(data):
        length = struct.unpack_from(">I", data, at)[0]
        end = at + 12 + length
        if end > len(data):
            break
        tag = data[at + 4 : at + 8]
        yield tag, data[at + 8 : end - 4] if tag != b"IDAT" else b"", data[at:end]
        at = end
        if tag == b"IEND":
            break
    yield b"", b"", data[at:]


def _too_long(tag: bytes, rest: bytes) -> bool:
    """Whether a text, without its keyword, is too long for Pillow once it is decompressed."""
    if tag == b"zTXt":
        packed = rest[1:]
    elif tag == b"iTXt" and rest[:1] == b"\1":
        packed = rest[2:].split(b"\0", 2)[-1]
    else:
        return False
    found = _inflated(packed, _PILLOWS_MOST)
    return found is None or len(found) >= _PILLOWS_MOST


def _inflated(packed: bytes, most: int) -> bytes | None:
    """The decompressed bytes, at most `most` + 1 of them; None if they cannot be decompressed."""
    try:
        return zlib.decompressobj().decompress(packed, most + 1)
    except zlib.error:
        return None
