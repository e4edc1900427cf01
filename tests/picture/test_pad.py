"""Odd sizes: padding to a stride and back, never with zeros."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codectk.base.errors import ContractError
from codectk.picture.pad import crop, pad

sides = st.integers(1, 130)
strides = st.sampled_from([1, 2, 3, 8, 16, 64, 256])


@given(height=sides, width=sides, stride=strides)
def test_pad_then_crop_is_identity(height, width, stride):
    # Every pixel differs and none is zero, so that a zero or a foreign value in the padding would show.
    pixels = (1 + np.arange(height * width * 3, dtype=np.float32)).reshape(height, width, 3)
    padded = pad(pixels, stride)
    assert padded.dtype == np.float32
    assert padded.shape[0] % stride == 0 and padded.shape[0] - height < stride
    assert padded.shape[1] % stride == 0 and padded.shape[1] - width < stride
    np.testing.assert_array_equal(crop(padded, height, width), pixels)
    assert np.isin(padded, pixels).all()


@given(size=sides, stride=strides, axis=st.integers(0, 1))
def test_reflection_where_large_enough_else_edge(size, stride, axis):
    line = np.arange(1, size + 1, dtype=np.float32)
    pixels = np.broadcast_to(line[:, None, None] if axis == 0 else line[None, :, None], (size, size, 3))
    padded = pad(pixels, stride)
    got = padded[:, 0, 0] if axis == 0 else padded[0, :, 0]
    extra = -size % stride
    mode = "reflect" if extra <= size - 1 else "edge"
    np.testing.assert_array_equal(got, np.pad(line, (0, extra), mode=mode))


def test_small_examples():
    row = np.array([[1, 2, 3, 4, 5]])
    assert pad(row, 8)[0].tolist() == [1, 2, 3, 4, 5, 4, 3, 2]
    assert pad(row[:, :2], 8)[0].tolist() == [1, 2, 2, 2, 2, 2, 2, 2]
    assert pad(row[:, :1], 4).tolist() == [[1] * 4] * 4


def test_multiples_are_not_copied():
    pixels = np.zeros((16, 32, 3), np.float32)
    assert pad(pixels, 16) is pixels
    assert np.shares_memory(crop(pixels, 5, 6), pixels)


def test_misuse():
    pixels = np.zeros((4, 4, 3), np.float32)
    for stride in (0, -8):
        with pytest.raises(ContractError, match="stride"):
            pad(pixels, stride)
    with pytest.raises(ContractError, match="no pixels"):
        pad(np.zeros((0, 4, 3), np.float32), 8)
    for height, width in ((5, 4), (4, 5), (0, 4)):
        with pytest.raises(ContractError, match="cropped"):
            crop(pixels, height, width)
