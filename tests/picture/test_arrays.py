"""Arrays are pictures if their dtype and shape say so."""

import numpy as np
import pytest

from codectk.base.errors import InputError
from codectk.base.limits import MAX_SIDE
from codectk.picture.read import read_picture

RGB = np.random.default_rng(0).integers(0, 256, (7, 5, 3), dtype=np.uint8)
GREY = RGB[..., 0]
ALPHA = np.arange(35, dtype=np.uint8).reshape(7, 5)


def refusal(source):
    """The message of the InputError that reading must raise."""
    with pytest.raises(InputError) as caught:
        read_picture(source)
    return str(caught.value)


def test_arrays():
    for array in (GREY, GREY[..., None]):
        picture = read_picture(array)
        assert picture.grey
        np.testing.assert_array_equal(picture.pixels, np.dstack([GREY] * 3))
    picture = read_picture(RGB[::-1, ::2])  # not contiguous
    np.testing.assert_array_equal(picture.pixels, RGB[::-1, ::2])
    assert picture.pixels.flags.c_contiguous
    picture = read_picture(np.dstack([RGB, ALPHA]))
    np.testing.assert_array_equal(picture.pixels, RGB)
    np.testing.assert_array_equal(picture.alpha, ALPHA)


def test_kinds_of_arrays():
    picture = read_picture(np.matrix(GREY))
    np.testing.assert_array_equal(picture.pixels, np.dstack([GREY] * 3))
    assert type(picture.pixels) is np.ndarray
    np.testing.assert_array_equal(read_picture(np.ma.masked_array(RGB)).pixels, RGB)
    assert "masked" in refusal(np.ma.masked_array(RGB, mask=RGB > 200))


def test_array_is_copied():
    array = RGB.copy()
    picture = read_picture(array)
    array[:] = 0
    np.testing.assert_array_equal(picture.pixels, RGB)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((3, 8, 8), np.float32),
        np.zeros((8, 8, 3), np.uint16),
        np.zeros((3, 8, 8), np.uint8),
        np.zeros((8, 8, 2), np.uint8),
        np.zeros((1, 8, 8, 3), np.uint8),
        np.zeros(8, np.uint8),
        np.zeros((8, 8), bool),
    ],
)
def test_wrong_arrays_name_shape_and_dtype(array):
    message = refusal(array)
    assert str(array.dtype) in message
    assert str(array.shape) in message


def test_array_sizes():
    assert "no pixels" in refusal(np.zeros((0, 8, 3), np.uint8))
    assert "limit" in refusal(np.zeros((1, MAX_SIDE + 1), np.uint8))
