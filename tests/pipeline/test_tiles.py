"""Large pictures are coded in tiles; what fits in one is coded as ever."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import codectk
from codectk.base.errors import BitstreamError, ChecksumError, TruncatedError, UsageError
from codectk.base.types import Picture
from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import read
from codectk.bitstream.tiles import Grid
from codectk.bitstream.writer import write
from codectk.pipeline.codec import Codec
from codectk.pipeline.decode import check_latents
from codectk.pipeline.load import load
from codectk.testing import pictures

SCENE = pictures.scene(150, 230)


@pytest.fixture
def whole(pocket) -> Codec:
    return load("pocket")


@pytest.fixture
def codec(whole: Codec) -> Codec:
    """With tiles of 96 pixels."""
    return replace(whole, card=replace(whole.card, tile=96))


def test_a_picture_of_a_tiles_size_is_coded_as_ever(whole, codec):
    small = SCENE[:96, :90]
    assert codec.encode(small) == whole.encode(small)


def test_each_tile_is_coded_as_a_picture_of_its_own(whole, codec):
    container = read(codec.encode(SCENE, quality=70))
    assert container.tiling is not None and container.tiling.grid.overlap == 16
    boxes = container.tiling.grid.boxes(230, 150)
    assert len(boxes) == 6 and max(b.width for b in boxes) <= 96
    for box, payload in zip(boxes, container.payloads(LATENTS), strict=True):
        alone = whole.encode(np.ascontiguousarray(SCENE[box.y : box.bottom, box.x : box.right]), quality=70)
        assert read(alone).payloads(LATENTS) == (payload,)
    check_latents(container, codec)


def test_tiles_come_back_as_one_picture(whole, codec):
    """As near to the original as in one piece, seams included."""
    pixels = np.asarray(codec.decode(codec.encode(SCENE, quality=90)), np.float32)
    once = np.asarray(whole.decode(whole.encode(SCENE, quality=90)), np.float32)
    assert pixels.shape == SCENE.shape
    assert ((pixels - SCENE) ** 2).mean() < 1.1 * ((once - SCENE) ** 2).mean() + 0.1


@pytest.mark.parametrize("scale", [1, 2, 4, 8])
@pytest.mark.parametrize("region", [None, (0, 0, 230, 150), (100, 40, 31, 77), (229, 149, 1, 1)])
def test_a_region_and_a_scale_are_parts_of_the_picture(codec, whole, region, scale, tmp_path):
    for coder in (codec, whole):
        data = coder.encode(SCENE)
        path = tmp_path / "a.ctk"
        path.write_bytes(data)
        x, y, width, height = region or (0, 0, 230, 150)
        part = np.asarray(coder.decode(data), np.float32)[y : y + height, x : x + width]
        small = np.asarray(coder.decode(path, region=region, scale=scale), np.float32)
        assert small.shape[:2] == (-(-height // scale), -(-width // scale))
        for row, line in enumerate(small):
            for column, pixel in enumerate(line):
                cell = part[row * scale : (row + 1) * scale, column * scale : (column + 1) * scale]
                assert np.abs(cell.mean(axis=(0, 1)) - pixel).max() <= 1.01


def test_a_region_is_read_although_another_tile_is_damaged(codec):
    data = bytearray(codec.encode(SCENE))
    container = read(bytes(data))
    at = bytes(data).index(container.payloads(LATENTS)[4])
    data[at + 3] ^= 8
    codec.decode(bytes(data), region=(0, 0, 50, 50))
    for region in (None, (100, 140, 30, 10)):
        with pytest.raises(ChecksumError):
            codec.decode(bytes(data), region=region)


def test_the_public_functions_know_regions_and_scales(pocket, codec, tmp_path):
    path = tmp_path / "a.ctk"
    path.write_bytes(codec.encode(SCENE))
    image = codectk.decode(path, region=(10, 20, 100, 60), scale=2)
    assert image.size == (50, 30)
    info = codectk.info(path)
    assert info.tiles == {"count": 6, "width": 96, "height": 96, "overlap": 16} and len(info.layers) == 1
    codectk.verify(path)


def test_alpha_and_grey_go_with_the_region(codec):
    alpha = np.arange(150 * 230, dtype=np.uint32).reshape(150, 230).astype(np.uint8)
    grey = np.repeat(SCENE[:, :, :1], 3, axis=2)
    data = codec.encode(Picture(grey, alpha=alpha, grey=True))
    image = codec.decode(data, region=(5, 6, 40, 30))
    assert image.mode == "LA" and image.size == (40, 30)
    assert np.array_equal(np.asarray(image)[:, :, 1], alpha[6:36, 5:45])


def test_a_size_is_searched_over_all_tiles(codec):
    size = len(codec.encode(SCENE, quality=60))
    data = codec.encode(SCENE, target_bytes=size)
    assert abs(len(data) / size - 1) < 0.03 and read(data).tiling is not None


def test_several_settings_of_a_knob_share_the_latents(codec):
    first, second = codec.decode_pictures(codec.encode(SCENE), [{}, {}])
    assert np.array_equal(first.pixels, second.pixels)


def test_a_list_of_pictures_is_coded_one_by_one(codec):
    assert codec.encode([SCENE, SCENE[:80, :80]]) == [codec.encode(SCENE), codec.encode(SCENE[:80, :80])]


def test_latents_and_bits_by_position_are_of_one_piece(codec):
    for ask in (codec.latents, codec.bits):
        with pytest.raises(UsageError, match=r"6 tiles.*96 pixels"):
            ask(SCENE)
    with pytest.raises(UsageError, match="in tiles"):
        codec.latents(codec.encode(SCENE))


def test_the_bits_of_tiles_add_up(codec, whole):
    prepared = codec.prepare(SCENE)
    boxes = prepared.grid.boxes(230, 150)
    alone = [whole.prepare(np.ascontiguousarray(SCENE[b.y : b.bottom, b.x : b.right])).bits() for b in boxes]
    assert prepared.bits() == pytest.approx(sum(alone))


def test_cut_files_say_which_tile_is_not_whole(codec):
    data = codec.encode(SCENE)
    container = read(data)
    cut = data.index(container.payloads(LATENTS)[3]) + 4
    with pytest.raises(TruncatedError, match="within tile 4 of 6"):
        codec.decode(data[:cut])
    with pytest.raises(TruncatedError, match="The file is cut"):
        codec.decode(data[:cut], region=(0, 0, 10, 10))


def test_tiles_of_a_layered_codec_are_refused(codec):
    data = codec.encode(SCENE)
    layered = replace(codec, stages=replace(codec.stages, layered=True))
    with pytest.raises(BitstreamError, match="codes layers"):
        layered.decode(data)


@pytest.mark.parametrize("scale", [0, 3, 16, "2", 2.5])
def test_other_scales_are_refused(codec, scale):
    with pytest.raises(UsageError, match="reduced by 1, 2, 4, 8"):
        codec.decode(codec.encode(SCENE), scale=scale)


def test_a_grid_of_another_writer_is_read(codec, whole):
    """Readers go by the file, not by how this codectk would cut."""
    from codectk.bitstream.chunk import Chunk
    from codectk.bitstream.tiles import Tiling

    grid = Grid(130, 70, 5)
    boxes = grid.boxes(230, 150)
    alone = [whole.encode(np.ascontiguousarray(SCENE[b.y : b.bottom, b.x : b.right]), quality=90) for b in boxes]
    payloads = [read(data).payloads(LATENTS)[0] for data in alone]
    header = replace(read(alone[0]).header, width=230, height=150)
    chunks = [Chunk.of("TILE", Tiling.of(grid, payloads).pack()), *(Chunk.of(LATENTS, p) for p in payloads)]
    image = codec.decode(write(header, chunks))
    assert isinstance(image, Image.Image)
    assert np.abs(np.asarray(image, np.float32) - SCENE).mean() < 20


def test_tiles_at_once_make_the_same_file_and_picture(codec, tmp_path):
    data = codec.encode(SCENE)
    path = tmp_path / "a.ctk"
    path.write_bytes(data)
    whole, part = codec.decode(data), codec.decode(path, region=(60, 20, 100, 100))
    with codectk.resources(jobs=3):
        assert codec.encode(SCENE) == data
        assert np.array_equal(codec.decode(data), whole)
        assert np.array_equal(codec.decode(path, region=(60, 20, 100, 100)), part)


def test_tiles_at_once_tell_which_is_damaged(codec):
    data = bytearray(codec.encode(SCENE))
    data[bytes(data).index(read(bytes(data)).payloads(LATENTS)[4]) + 3] ^= 8
    with codectk.resources(jobs=3), pytest.raises(ChecksumError, match="tile 5 of 6"):
        codec.decode(bytes(data), region=(0, 0, 230, 149))
