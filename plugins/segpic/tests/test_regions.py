"""Partitions: grids, nearest upsampling, pooling and expansion, all against loops."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk_segpic.conditioning import Conditioning, kmeans_regions
from codectk_segpic.regions import AREA_SLACK, GRIDS, Regions, grid_regions

side = st.integers(1, 40)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(GRIDS), side, side)
def test_a_grid_covers_everything_with_equal_cells(grid: int, height: int, width: int):
    regions = grid_regions(grid, 2, height, width, torch.empty(0))
    down, across = min(grid, height), min(grid, width)
    assert regions.grid == grid and regions.count == down * across
    assert regions.ids.shape == (2, height, width) and regions.ids.dtype == torch.int64
    assert torch.equal(regions.ids[0], regions.ids[1])
    for row in range(height):
        for column in range(width):
            assert regions.ids[0, row, column] == row * down // height * across + column * across // width
    sizes = torch.bincount(regions.ids[0].flatten(), minlength=regions.count)
    assert regions.present().all() and (sizes > 0).all()
    assert sizes.max() <= -(-height // down) * -(-width // across)


@settings(max_examples=40, deadline=None)
@given(side, side, st.integers(1, 4), st.integers(0, 3))
def test_finer_maps_are_nearest(height: int, width: int, factor: int, more: int):
    """Also for sizes that are no multiples."""
    ids = torch.randint(0, 9, (2, height, width))
    fine = Regions(ids, 9).at(height * factor + more, width * factor)
    for row in range(fine.shape[1]):
        for column in range(0, fine.shape[2], 3):
            assert torch.equal(fine[:, row, column], ids[:, row * height // fine.shape[1], column // factor])


@pytest.mark.parametrize("masks", [False, True])
def test_pooling_and_expansion_against_loops(masks: bool):
    # of seven masks, 5 and 6 do not occur
    regions = Regions(torch.randint(0, 5, (3, 4, 6)), 7) if masks else grid_regions(4, 3, 4, 6, torch.empty(0))
    features = torch.randn(3, 2, 8, 12)
    fine = regions.at(8, 12)
    pooled = regions.pool(features)
    assert pooled.shape == (3, 2, regions.count, 1)
    for b in range(3):
        for r in range(regions.count):
            inside = fine[b] == r
            assert bool(inside.any()) == bool(regions.present()[b, r])
            expected = features[b, :, inside].sum(1) / (inside.sum() + AREA_SLACK)
            assert torch.allclose(pooled[b, :, r, 0], expected, atol=1e-6)
    expanded = regions.expand(pooled, 8, 12)
    assert expanded.shape == features.shape
    for b in range(3):
        for row in range(8):
            for column in range(12):
                assert torch.equal(expanded[b, :, row, column], pooled[b, :, fine[b, row, column], 0])


def test_expanding_integers_only_moves_them():
    codes = torch.randint(-255, 256, (1, 16, 16, 1)).float()
    regions = grid_regions(4, 1, 12, 8, torch.empty(0))
    expanded = regions.expand(codes, 12, 8)
    assert set(expanded[0, 3].unique().tolist()) == set(codes[0, 3].unique().tolist())


def test_the_grid_is_the_knob_when_coding():
    conditioning = Conditioning().eval()
    x = torch.rand(1, 3, 128, 192)
    for grid in GRIDS:
        assert conditioning(x, Context(128, 192, {"grid": grid})).grid == grid
    with pytest.raises(UsageError, match="1, 2, 4, 8, not 3"):
        conditioning(x, Context(128, 192, {"grid": 3}))


def test_training_sees_masks_and_grids():
    torch.manual_seed(0)
    conditioning = Conditioning(p_grid=0.5)
    x = torch.rand(2, 3, 128, 128)
    seen = {conditioning(x, Context(128, 128)).grid for _ in range(60)}
    assert seen == {None, 1, 2, 4}


def test_masks_follow_the_picture():
    """Two flat halves: no region has a part in both."""
    torch.manual_seed(0)
    x = torch.zeros(2, 3, 128, 128)
    x[:, :, :, 64:] = 1
    ids = kmeans_regions(x, 8, 8, 6)
    assert ids.shape == (2, 8, 8) and ids.min() >= 0 and ids.max() < 6
    for picture in ids:
        assert not set(picture[:, :4].flatten().tolist()) & set(picture[:, 4:].flatten().tolist())
