"""What an AVIF or HEIC file says in its boxes (ISO/IEC 23008-12) and the decoders do not tell."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_PATH = {b"meta": (b"", 4), b"iprp": (b"meta", 0), b"ipco": (b"iprp", 0)}
"""Boxes on the way to the properties of pictures: what each lies in, and the bytes before its content."""


@dataclass(frozen=True)
class BoxFacts:
    """What stands in the properties.

    Attributes:
        cicp: color space by numbers (ITU-T H.273): primaries, transfer, matrix, full range; or None.
        bits: most bits of any channel.
    """

    cicp: tuple[int, int, int, int] | None = None
    bits: int = 8


def facts(data: bytes) -> BoxFacts:
    """Look for the properties of the file's pictures; of several color spaces the first, the main picture's."""
    cicp, bits = None, 8
    for tag, payload in _boxes(data, 0, len(data)):
        if tag == b"colr" and payload[:4] == b"nclx" and len(payload) >= 11 and cicp is None:
            primaries, transfer, matrix, full = struct.unpack_from(">HHHB", payload, 4)
            cicp = (primaries, transfer, matrix, full >> 7)
        elif tag == b"pixi" and len(payload) >= 5:
            bits = max(bits, *payload[5 : 5 + payload[4]], 8)
    return BoxFacts(cicp, bits)


def _boxes(data: bytes, at: int, end: int, inside: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
    """Tag and content of each property, from a row of boxes that lies in a box called `inside`."""
    while at + 8 <= end:
        size, tag = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1 and at + 16 <= end:
            size, start = struct.unpack_from(">Q", data, start)[0], at + 16
        stop = end if size == 0 else at + size
        if not start <= stop <= end:
            return
        within, skip = _PATH.get(tag, (None, 0))
        if within == inside:
            yield from _boxes(data, start + skip, stop, tag)
        elif inside == b"ipco":
            yield tag, data[start:stop]
        at = stop
