"""Chunk TILE: how a large picture is cut into tiles, and where each of them lies in the file.

A tile is `width` x `height` pixels, or what is left of the picture at its right and bottom sides; neighbors share
`overlap` pixels, in which the decoder fades one into the other. Each tile is coded on its own, in a LATS of its own, in
rows from the top left. The chunk lists the length and a CRC-32 of each, so that one tile can be found, verified and
decoded without reading the others.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import NamedTuple

from codectk.base.errors import BitstreamError, ChecksumError, TruncatedError
from codectk.base.limits import MAX_CHUNKS, MAX_FILE_BYTES
from codectk.bitstream.chunk import CHECK_BYTES, DIGEST_BYTES, LATENTS, TILES, Chunk
from codectk.bitstream.varint import Buffer, decode_varint, encode_varint

MIN_TILE = 64
"""Least side of a tile in pixels, except of those that end with the picture."""

OVERLAP = 16
"""Pixels that neighbors share in the files that this codectk writes. Wider seams are no smoother, and what is shared is
coded twice."""


class Box(NamedTuple):
    """A rectangle of pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def right(self) -> int:
        return self.x + self.width

    @property
    def bottom(self) -> int:
        return self.y + self.height


@dataclass(frozen=True)
class Grid:
    """Sides of a tile and the overlap of neighbors, in pixels.

    Attributes:
        width, height: of a tile, at least 64.
        overlap: 0 to half of the smaller side.
    """

    width: int
    height: int
    overlap: int

    def boxes(self, width: int, height: int) -> list[Box]:
        """The tiles of a picture of this size, in rows from the top left."""
        return [Box(x, y, w, h) for y, h in self.rows(height) for x, w in self.columns(width)]

    def columns(self, width: int) -> list[tuple[int, int]]:
        """Start and length of each tile of a row."""
        return list(_spans(width, self.width, self.overlap))

    def rows(self, height: int) -> list[tuple[int, int]]:
        """Start and length of each tile of a column."""
        return list(_spans(height, self.height, self.overlap))


@dataclass(frozen=True)
class Tiling:
    """What the chunk says.

    Attributes:
        grid: how the picture is cut.
        lengths: bytes of each tile's payload.
        checks: CRC-32 of each tile's payload.
    """

    grid: Grid
    lengths: tuple[int, ...]
    checks: tuple[int, ...]

    @classmethod
    def of(cls, grid: Grid, payloads: Sequence[bytes]) -> Tiling:
        """The chunk for these tiles."""
        return cls(grid, tuple(map(len, payloads)), tuple(map(zlib.crc32, payloads)))

    def pack(self) -> bytes:
        """The payload of the chunk."""
        front = b"".join(map(encode_varint, (self.grid.width, self.grid.height, self.grid.overlap)))
        return front + b"".join(
            encode_varint(length) + check.to_bytes(CHECK_BYTES, "little")
            for length, check in zip(self.lengths, self.checks, strict=True)
        )

    def starts(self, after: int) -> list[int]:
        """Where each tile's payload begins in a file whose chunk TILE ends, with its check, at byte `after`.

        A LATS has a head byte, its length (except in the last one), its payload and four bytes of check.
        """
        last = len(self.lengths) - 1
        fronts = [1 + (0 if i == last else len(encode_varint(n))) for i, n in enumerate(self.lengths)]
        sizes = [front + n + CHECK_BYTES for front, n in zip(fronts, self.lengths, strict=True)]
        return [after + before + front for before, front in zip(accumulate(sizes, initial=0), fronts, strict=False)]

    def end(self, after: int) -> int:
        """Bytes of the whole file, as `starts`."""
        return self.starts(after)[-1] + self.lengths[-1] + CHECK_BYTES

    def check(self, tile: int, payload: Buffer) -> None:
        """Verify a tile's payload.

        Raises:
            ChecksumError: it is not what the chunk lists.
        """
        if memoryview(payload).nbytes != self.lengths[tile] or zlib.crc32(payload) != self.checks[tile]:
            raise ChecksumError(
                f"The check of tile {tile + 1} of {len(self.lengths)} does not fit: the file is damaged.", chunk=LATENTS
            )


def unpack_tiling(payload: Buffer, width: int, height: int) -> Tiling:
    """Read the payload of a chunk TILE in a file with a picture of this size.

    Raises:
        BitstreamError: it breaks a rule of the format.
    """
    view, pos = memoryview(payload).cast("B"), 0
    try:
        numbers = []
        for _ in range(3):
            number, pos = decode_varint(view, pos, len(view))
            numbers.append(number)
        grid = Grid(*numbers)
        check_grid(grid, width, height)
        count = len(grid.columns(width)) * len(grid.rows(height))
        lengths, checks = [], []
        for _ in range(count):
            length, pos = decode_varint(view, pos, len(view))
            if len(view) - pos < CHECK_BYTES:
                raise TruncatedError("The list of tiles is too short.", chunk=TILES)
            if not DIGEST_BYTES <= length <= MAX_FILE_BYTES:
                raise BitstreamError(f"A tile cannot have {length} bytes.", chunk=TILES)
            lengths.append(length)
            checks.append(int.from_bytes(view[pos : pos + CHECK_BYTES], "little"))
            pos += CHECK_BYTES
    except TruncatedError as error:
        # The chunk's own check was verified, so this is no cut but a list that never was whole.
        raise BitstreamError("The list of tiles is too short.", chunk=TILES) from error
    if pos != len(view):
        raise BitstreamError(f"The list of tiles has {len(view) - pos} bytes too many.", chunk=TILES)
    return Tiling(grid, tuple(lengths), tuple(checks))


def check_grid(grid: Grid, width: int, height: int) -> None:
    """Check that a picture of this size can be cut like this.

    Raises:
        BitstreamError: the sides or the overlap are out of range, or there would be one tile or too many.
    """
    if min(grid.width, grid.height) < MIN_TILE or grid.overlap < 0 or 2 * grid.overlap > min(grid.width, grid.height):
        raise BitstreamError(
            f"Tiles cannot be of {grid.width} x {grid.height} pixels with an overlap of {grid.overlap}.", chunk=TILES
        )
    count = _count(width, grid.width, grid.overlap) * _count(height, grid.height, grid.overlap)
    if not 1 < count < MAX_CHUNKS // 2:
        raise BitstreamError(f"A picture cannot be cut into {count} tiles.", chunk=TILES)


def check_tiles(chunks: Sequence[Chunk], width: int, height: int, *, complete: bool = True) -> None:
    """Check that a file's latents are the tiles that it lists; nothing to check where it lists none.

    Raises:
        BitstreamError: they are not, or something else stands between them.
    """
    tags = [chunk.tag for chunk in chunks]
    if TILES not in tags:
        return
    at = tags.index(TILES)
    tiling = unpack_tiling(chunks[at].payload, width, height)
    tiles = chunks[at + 1 :]
    odd = next((chunk.tag for chunk in tiles if chunk.tag != LATENTS), None)
    if odd is not None:
        raise BitstreamError(f"Chunk {odd} stands between the tiles.", chunk=odd)
    if len(tiles) > len(tiling.lengths) or (complete and len(tiles) < len(tiling.lengths)):
        raise BitstreamError(f"The file has {len(tiles)} tiles, but lists {len(tiling.lengths)}.", chunk=LATENTS)
    for number, tile in enumerate(tiles):
        tiling.check(number, tile.payload)


def _count(length: int, side: int, overlap: int) -> int:
    return 1 if length <= side else -(-(length - overlap) // (side - overlap))


def _spans(length: int, side: int, overlap: int) -> Iterator[tuple[int, int]]:
    for i in range(_count(length, side, overlap)):
        start = i * (side - overlap)
        yield start, min(side, length - start)
