"""Tiles in a file: found and verified one by one, without the rest."""

import pytest

from codectk.base.errors import BitstreamError, ChecksumError, TruncatedError
from codectk.bitstream.chunk import Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.reader import open_tiles, read
from codectk.bitstream.tiles import Grid, Tiling
from codectk.bitstream.writer import write

HEADER = Header("segpic", "codectk-segpic", 300, 200, b"\1\2\3\4")
GRID = Grid(128, 128, 16)
PAYLOADS = [bytes([n]) * (3 + 90 * n) for n in range(6)]


def tiled(payloads=PAYLOADS, profile=b"profile"):
    chunks = [Chunk.of("LATS", payload) for payload in payloads]
    return write(HEADER, [*chunks, Chunk.of("TILE", Tiling.of(GRID, payloads).pack()), Chunk.of("ICCP", profile)])


def test_a_grid_covers_the_picture_and_neighbors_overlap():
    boxes = GRID.boxes(300, 200)
    assert boxes == [(0, 0, 128, 128), (112, 0, 128, 128), (224, 0, 76, 128),
                     (0, 112, 128, 88), (112, 112, 128, 88), (224, 112, 76, 88)]  # fmt: skip


def test_the_whole_file():
    container = read(tiled())
    assert container.tiling == Tiling.of(GRID, PAYLOADS)
    assert container.payloads("LATS") == tuple(PAYLOADS)
    assert read(write(HEADER, [Chunk.of("LATS", b"abc")])).tiling is None


@pytest.mark.parametrize("profile", [b"p", bytes(range(256)) * 1500])
def test_one_tile_is_read_without_the_others(profile, tmp_path):
    payloads = [bytes([n]) * 100_000 for n in range(6)]
    path = tmp_path / "a.ctk"
    path.write_bytes(tiled(payloads, profile))
    file = open_tiles(str(path))
    assert file.front.payloads("ICCP") == (profile,)
    # What lies between the front and the tile asked for is gone, and nobody notices.
    data = path.read_bytes()
    at = data.index(payloads[3])
    path.write_bytes(bytes(at) + data[at : at + 100_000])
    assert file.payload(3) == payloads[3]
    with pytest.raises(ChecksumError):
        file.payload(2)


def test_a_file_of_one_piece_has_no_tiles_to_open():
    assert open_tiles(write(HEADER, [Chunk.of("LATS", bytes(200_000))])) is None


def test_a_damaged_tile_hides_no_other():
    data = bytearray(tiled())
    at = bytes(data).index(PAYLOADS[2])
    data[at + 50] ^= 1
    file = open_tiles(bytes(data))
    assert [file.payload(number) for number in (0, 1, 3, 4, 5)] == [PAYLOADS[n] for n in (0, 1, 3, 4, 5)]
    with pytest.raises(ChecksumError, match="tile 3 of 6"):
        file.payload(2)
    with pytest.raises(ChecksumError):
        read(bytes(data))


def test_cuts_and_additions_are_noticed_before_any_tile_is_read():
    data = tiled()
    for cut in range(len(data)):
        with pytest.raises(TruncatedError):
            open_tiles(data[:cut])
    with pytest.raises(BitstreamError, match="1 bytes behind"):
        open_tiles(data + b"\0")


def test_every_flipped_byte_is_noticed():
    data = tiled()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x41
        with pytest.raises(BitstreamError):
            read(bytes(damaged))


def test_the_writer_refuses_a_list_that_does_not_fit():
    wrong = Tiling.of(GRID, PAYLOADS[::-1])
    with pytest.raises(ChecksumError):
        write(HEADER, [Chunk.of("TILE", wrong.pack()), *(Chunk.of("LATS", payload) for payload in PAYLOADS)])
    few = Tiling.of(GRID, PAYLOADS[:2])
    with pytest.raises(BitstreamError, match="list of tiles is too short"):
        write(HEADER, [Chunk.of("TILE", few.pack()), *(Chunk.of("LATS", payload) for payload in PAYLOADS)])
