"""The digest of what was coded: 24 bits that differ when encoder and decoder lost step."""

from __future__ import annotations

import zlib

import numpy as np
import numpy.typing as npt

DIGEST_BYTES = 3
"""What the digest takes in a payload; no payload is shorter."""


class Digest:
    """Low 24 bits of a CRC-32 over table indices, symbols and raw values in coding order."""

    def __init__(self) -> None:
        self._crc = 0

    def add_symbols(self, index: npt.NDArray[np.unsignedinteger], symbols: npt.NDArray[np.int32]) -> None:
        """Add one `code` call.

        Args:
            index: uint8 or uint16, any shape, C-contiguous.
            symbols: int32, same shape, C-contiguous.
        """
        self._crc = zlib.crc32(index.astype(index.dtype.newbyteorder("<"), copy=False).data, self._crc)
        self._crc = zlib.crc32(symbols.astype("<i4", copy=False).data, self._crc)

    def add_raw(self, value: int) -> None:
        """Add one `raw` call's value (0..2**32-1)."""
        self._crc = zlib.crc32(value.to_bytes(4, "little"), self._crc)

    def to_bytes(self) -> bytes:
        """The digest as it lies at the bottom of the stack: 0..3 bytes, little-endian, no zero byte at the end."""
        return (self._crc & 0xFFFFFF).to_bytes(DIGEST_BYTES, "little").rstrip(b"\0")
