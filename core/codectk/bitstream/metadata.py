"""The payload of the chunks EXIF and XMPP: metadata of the source, as a zlib stream (RFC 1950)."""

from __future__ import annotations

import zlib
from types import MappingProxyType

from codectk.base.errors import BitstreamError, LimitError
from codectk.base.limits import MAX_METADATA_BYTES
from codectk.bitstream.varint import Buffer

TIFF_STARTS = MappingProxyType({b"II*\0": "<", b"MM\0*": ">"})
"""How a TIFF structure begins, and the order of its bytes, as `struct` writes it."""


def pack_metadata(data: bytes) -> bytes:
    """Compress metadata of 1 to `MAX_METADATA_BYTES` bytes.

    Raises:
        LimitError: they are empty or too long.
    """
    if not 1 <= len(data) <= MAX_METADATA_BYTES:
        raise LimitError(f"Metadata have 1 to {MAX_METADATA_BYTES:,} bytes, not {len(data):,}.")
    return zlib.compress(data, 9)


def unpack_exif(payload: Buffer) -> bytes:
    """Read EXIF, a TIFF structure; errors as `unpack_metadata`."""
    data = unpack_metadata(payload)
    if data[:4] not in TIFF_STARTS:
        raise BitstreamError("The metadata are no TIFF structure.")
    return data


def unpack_xmp(payload: Buffer) -> bytes:
    """Read XMP, in UTF-8; errors as `unpack_metadata`."""
    data = unpack_metadata(payload)
    try:
        data.decode()
    except UnicodeDecodeError as error:
        raise BitstreamError("The metadata are not in UTF-8.") from error
    return data


def unpack_metadata(payload: Buffer) -> bytes:
    """Read what `pack_metadata` wrote; no more than the limit is ever decompressed.

    Raises:
        LimitError: it is longer than the limit.
        BitstreamError: it is no zlib stream, or not exactly one, or of nothing.
    """
    stream = zlib.decompressobj()
    try:
        data = stream.decompress(payload, MAX_METADATA_BYTES + 1)
    except zlib.error as error:
        raise BitstreamError("The metadata cannot be decompressed.") from error
    if len(data) > MAX_METADATA_BYTES:
        raise LimitError(f"The metadata have more than {MAX_METADATA_BYTES} bytes.")
    if not data or not stream.eof or stream.unused_data:
        raise BitstreamError("The metadata are not one whole zlib stream.")
    return data
