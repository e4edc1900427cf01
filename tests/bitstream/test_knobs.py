"""Coded knobs: both ends see the same number, ranges hold in both directions."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import BitstreamError, FormatVersionError, TruncatedError, UsageError
from codectk.bitstream.knobs import CODED_KNOBS, pack_knobs, quantize_knob, unpack_knobs

RANGES = {
    "quality": st.floats(0, 100),
    "seed": st.integers(0, 2**32 - 1),
    "steps": st.integers(0, 1000),
    "strength": st.floats(0, 1),
    "guidance": st.floats(0, 100),
    "realism": st.floats(0, 1),
}


def test_order_is_the_order_of_the_mask():
    assert tuple(RANGES) == CODED_KNOBS
    for bit, name in enumerate(CODED_KNOBS):
        assert pack_knobs({name: 1})[0] == 1 << bit


@settings(deadline=None)
@given(st.fixed_dictionaries({}, optional=RANGES))
def test_the_file_carries_what_quantize_says(knobs):
    data = pack_knobs(knobs)
    found, end = unpack_knobs(data + b"rest", 0, len(data) + 4)
    assert end == len(data)
    assert found == {name: quantize_knob(name, value) for name, value in knobs.items()}
    assert pack_knobs(found) == data
    assert all(quantize_knob(name, value) == value for name, value in found.items())
    assert all(type(value) is (int if name in ("seed", "steps") else float) for name, value in found.items())


@settings(deadline=None)
@given(st.floats(0, 100))
def test_quality_moves_by_at_most_half_a_step(value):
    assert abs(quantize_knob("quality", value) - value) <= 0.005 + 1e-9


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("quality", 100.01), ("quality", -0.001), ("quality", math.nan), ("quality", math.inf), ("seed", 2**32),
        ("seed", -1), ("seed", 1.5), ("steps", 1001), ("strength", 1.001), ("guidance", 101), ("realism", 2),
        ("lambda", 1),
    ],
)  # fmt: skip
def test_what_cannot_be_coded_is_a_usage_error(name, value):
    with pytest.raises(UsageError):
        quantize_knob(name, value)
    with pytest.raises(UsageError):
        pack_knobs({name: value})


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("40", FormatVersionError), ("80", FormatVersionError), ("", TruncatedError), ("01", TruncatedError),
        ("0190", TruncatedError), ("01914e", BitstreamError), ("04e907", BitstreamError), ("08e907", BitstreamError),
        ("10914e", BitstreamError), ("20e907", BitstreamError), ("018000", BitstreamError),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused(text, error):
    data = bytes.fromhex(text)
    with pytest.raises(BitstreamError) as caught:
        unpack_knobs(data, 0, len(data))
    assert type(caught.value) is error


def test_a_knob_beyond_the_end_is_not_read():
    with pytest.raises(TruncatedError):
        unpack_knobs(bytes.fromhex("0105"), 0, 1)
