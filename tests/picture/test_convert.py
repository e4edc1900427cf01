"""uint8 to float and back."""

import numpy as np
import pytest

from codectk.base.errors import ContractError
from codectk.picture.convert import to_float, to_neutral, to_uint8


def test_all_values_survive():
    values = np.arange(256, dtype=np.uint8)
    floats = to_float(values)
    assert floats.dtype == np.float32
    assert floats.min() == 0 and floats.max() == 1
    np.testing.assert_array_equal(to_uint8(floats), values)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_clipping(dtype):
    got = to_uint8(np.array([-np.inf, -0.1, 0, 1, 1.1, np.inf], dtype=dtype))
    assert got.dtype == np.uint8
    assert got.tolist() == [0, 0, 0, 255, 255, 255]


def test_rounding_to_nearest():
    assert to_uint8(np.array([0.4, 0.6, 99.4, 99.6]) / 255).tolist() == [0, 1, 99, 100]
    assert to_uint8(np.float32([0.5])).tolist() == [128]  # 127.5 is a tie; 128 is even


def test_misuse():
    with pytest.raises(ContractError, match="NaN"):
        to_uint8(np.array([0.5, np.nan]))
    with pytest.raises(ContractError, match="uint8"):
        to_uint8(np.array([0, 255], dtype=np.uint8))


def test_neutral():
    pixels = np.array([[[0.1, 0.2, 0.6], [1, 1, 1]]], dtype=np.float32)
    got = to_neutral(pixels)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, [[[0.3] * 3, [1] * 3]], rtol=1e-6)
    assert (got == got[..., :1]).all()
