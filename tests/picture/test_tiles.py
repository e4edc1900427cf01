"""Cutting and blending: what is cut comes back as it was, whatever the sizes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import ContractError, UsageError
from codectk.bitstream.tiles import Box, Grid, check_grid
from codectk.picture.tiles import Blend, Reduced, check_region, plan, ramp, reduced, touching

SIZES = st.integers(1, 700)


def pieces(grid, pixels):
    height, width = pixels.shape[:2]
    return [(box, pixels[box.y : box.bottom, box.x : box.right]) for box in grid.boxes(width, height)]


@settings(max_examples=200, deadline=None)
@given(SIZES, SIZES, st.sampled_from([(128, 16, 16), (160, 64, 16), (192, 64, 0), (129, 1, 40)]))
def test_tiles_are_blended_to_the_picture_they_were_cut_from(width, height, sizes):
    tile, stride, overlap = sizes
    grid = plan(width, height, tile, stride, overlap)
    if grid is None:
        assert max(width, height) <= tile
        return
    check_grid(grid, width, height)
    assert max(grid.width, grid.height) <= tile
    pixels = np.random.default_rng(width).random((height, width, 3), dtype=np.float32)
    blend = Blend(grid, width, height, Box(0, 0, width, height))
    rows = np.concatenate([blend.add(box, piece) for box, piece in pieces(grid, pixels)])
    np.testing.assert_allclose(rows, pixels, atol=1e-6)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_region_equals_that_part_of_the_picture(data):
    width, height, grid = 333, 290, Grid(128, 96, 32)
    x, y = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = Box(x, y, data.draw(st.integers(1, width - x)), data.draw(st.integers(1, height - y)))
    # Tiles that disagree, as decoded ones do.
    boxes = grid.boxes(width, height)
    tiles = [np.full((b.height, b.width, 3), n / 7, np.float32) for n, b in enumerate(boxes)]
    blend = Blend(grid, width, height, Box(0, 0, width, height))
    whole = np.concatenate([blend.add(b, tile) for b, tile in zip(boxes, tiles, strict=True)])
    touched = touching(grid, width, height, box)
    blend = Blend(grid, width, height, box)
    part = np.concatenate([blend.add(b, tiles[number]) for number, b in touched])
    np.testing.assert_allclose(part, whole[box.y : box.bottom, box.x : box.right], atol=1e-6)


def test_a_row_of_tiles_is_all_that_is_held():
    grid = Grid(64, 64, 16)
    blend = Blend(grid, 112, 300, Box(0, 0, 112, 300))
    given = [len(blend.add(box, np.ones((box.height, box.width, 3), np.float32))) for box in grid.boxes(112, 300)]
    assert given == [0, 48, 0, 48, 0, 48, 0, 48, 0, 48, 0, 60]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2, 4, 8]), st.integers(1, 13))
def test_reduced_pixels_are_means(width, height, scale, step):
    rows = np.random.default_rng(width).random((height, width, 3), dtype=np.float32)
    out = Reduced(width, height, scale)
    for start in range(0, height, step):
        out.add(rows[start : start + step])
    assert out.pixels.shape == (-(-height // scale), -(-width // scale), 3)
    for y in range(out.pixels.shape[0]):
        for x in range(out.pixels.shape[1]):
            mean = rows[y * scale : (y + 1) * scale, x * scale : (x + 1) * scale].mean(axis=(0, 1)) * 255
            assert np.abs(out.pixels[y, x] - mean).max() <= 0.501


def test_a_plane_is_reduced_as_pixels_are():
    plane = np.arange(12, dtype=np.uint8).reshape(3, 4)
    assert reduced(plane, 2).tolist() == [[2, 4], [8, 10]]  # half to even: 2.5, 4.5, 8.5, 10.5
    assert reduced(plane, 1) is plane


@pytest.mark.parametrize("region", [(0, 0, 0, 5), (-1, 0, 5, 5), (0, 0, 11, 5), (0, 0, 5), (0, 0, 5, 2.5), "0055", 7])
def test_what_is_no_part_of_a_picture(region):
    with pytest.raises(UsageError, match="region"):
        check_region(region, 10, 10)


def test_sides_are_multiples_of_the_stride_and_alike():
    grid = plan(6000, 4000, 1536, 64)
    assert grid == Grid(1536, 1344, 16)
    assert len(grid.columns(6000)) == 4 and len(grid.rows(4000)) == 3
    assert plan(1537, 100, 1536, 64) == Grid(832, 100, 16)
    assert plan(1536, 1536, 1536, 64) is None


def test_neighbors_weights_add_up_to_one():
    right = ramp(100, 16, before=False, after=True)[-16:]
    left = ramp(100, 16, before=True, after=False)[:16]
    np.testing.assert_allclose(left + right, 1, atol=1e-7)
    assert left[0] == np.float32(1 / 32) and np.all(np.diff(left) > 0)


def test_tiles_smaller_than_a_stride_and_its_overlap_are_refused():
    with pytest.raises(ContractError, match="too small"):
        plan(500, 500, 70, 64)


def test_a_tile_of_another_size_is_refused():
    with pytest.raises(ContractError, match="instead of"):
        Blend(Grid(128, 128, 16), 300, 200, Box(0, 0, 300, 200)).add(
            Box(0, 0, 128, 128), np.zeros((128, 100, 3), np.float32)
        )
