"""What an AVIF or HEIC file says in its boxes (ISO/IEC 23008-12) and the decoders do not tell."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_FOLDERS = {b"meta": 4, b"iprp": 0, b"ipco": 0}
"""Boxes on the way to the properties of pictures, and the bytes before their content."""


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


def _boxes(data: bytes, at: int, end: int) -> Iterator[tuple[bytes, bytes]]:
    while at + 8 <= end:
        size, tag = struct.unpack_from(">I4s", data, at)
        start = at + 8
        if size == 1 and at + 16 <= end:
            size, start = struct.unpack_from(">Q", data, start)[0], at + 16
        stop = end if size == 0 else at + size
        if not start <= stop <= end:
            return
        if tag in _FOLDERS:
            yield from _boxes(data, start + _FOLDERS[tag], stop)
        elif tag in (b"colr", b"pixi"):
            yield tag, data[start:stop]
        at = stop
