import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from codectk.base.errors import InputError
from codectk_sgc.colors.quantize import GREY, LEVELS, quantize, restore
from codectk_sgc.colors.reduce import color_map
from codectk_sgc.labels.reduce import majority

MAPS = hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40), elements=st.integers(0, 4))


@given(MAPS, st.sampled_from([None, 0]), st.integers(1, 16))
def test_each_cell_has_the_most_frequent_label(labels: np.ndarray, void: int | None, cell: int):
    if void is not None and (labels == void).all():
        with pytest.raises(InputError, match="void everywhere"):
            majority(labels, void, cell)
        return
    reduced = majority(labels, void, cell)
    assert reduced.shape == tuple(-(-side // cell) for side in labels.shape) and reduced.dtype == np.int32
    for (y, x), label in np.ndenumerate(reduced):
        pixels = labels[y * cell : (y + 1) * cell, x * cell : (x + 1) * cell].ravel().tolist()
        votes = [pixel for pixel in pixels if pixel != void]
        if votes:
            most = max(map(votes.count, votes))
            assert label == min(vote for vote in votes if votes.count(vote) == most)
        else:
            assert label != void and label in labels


def test_a_void_cell_takes_the_nearest_label():
    labels = np.zeros((48, 80), np.uint8)
    labels[:16, :16], labels[32:, 64:] = 3, 5
    reduced = majority(labels, void=0)
    assert reduced.tolist() == [[3, 3, 3, 5, 5], [3, 3, 3, 5, 5], [3, 3, 5, 5, 5]]


@pytest.mark.parametrize(
    "bad", [np.zeros((4, 4)), np.zeros((0, 4), int), np.zeros(4, int), np.array([[256]]), np.array([[-1]])]
)
def test_what_is_no_label_map_is_refused(bad: np.ndarray):
    with pytest.raises(InputError):
        majority(bad)


@given(st.integers(1, 100), st.integers(1, 100), st.integers(0, 2**32))
def test_color_maps_of_any_size_stay_within_the_pictures_range(height: int, width: int, seed: int):
    pixels = np.random.default_rng(seed).uniform(0.2, 0.7, (height, width, 3)).astype(np.float32)
    colors = color_map(pixels)
    assert colors.shape == (-(-height // 32), -(-width // 32), 3) and colors.dtype == np.float32
    assert colors.min() >= pixels.min() - 1e-6 and colors.max() <= pixels.max() + 1e-6


def test_a_color_map_is_blurred_and_in_place():
    pixels = np.zeros((512, 512, 3), np.float32)
    pixels[:, 256:] = 1
    row = color_map(pixels)[8, :, 0]
    assert np.all(np.diff(row) >= 0) and row[0] == 0 and row[-1] == 1
    assert 0.05 < row[7] < 0.5 and np.isclose(row[7] + row[8], 1)


def test_grey_stays_grey_and_errors_stay_small():
    grey = np.repeat(np.linspace(0, 1, 64)[:, None], 3, axis=1)
    assert (quantize(grey)[:, 1:] == GREY[1:]).all()
    assert np.abs(restore(quantize(grey)) - grey).max() < 1e-6
    colors = np.random.default_rng(3).uniform(0.25, 0.75, (500, 3))
    levels = quantize(colors)
    assert levels.dtype == np.uint8 and (levels < LEVELS).all()
    assert np.abs(restore(levels) - colors).max() < 0.04
    assert np.abs(restore(quantize(np.eye(3))) - np.eye(3)).max() < 0.06
