"""Variable-length integers: one spelling per value, no byte read beyond the end."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import BitstreamError, TruncatedError
from codectk.bitstream.varint import MAX_VARINT, decode_varint, encode_varint

VALUES = st.one_of(st.integers(0, 300), st.integers(0, MAX_VARINT))


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16383, "ff7f"), (16384, "808001"), (2**32 - 1, "ffffffff0f")],
)
def test_known_values(value, text):
    assert encode_varint(value).hex() == text
    assert decode_varint(bytes.fromhex(text), 0, len(text) // 2) == (value, len(text) // 2)


@settings(deadline=None)
@given(VALUES, st.binary(max_size=3), st.binary(max_size=3))
def test_round_trip_amid_other_bytes(value, before, after):
    code = encode_varint(value)
    data = before + code + after
    assert decode_varint(data, len(before), len(data)) == (value, len(before) + len(code))


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=6))
def test_whatever_decodes_is_the_only_spelling(data):
    try:
        value, end = decode_varint(data, 0, len(data))
    except BitstreamError:
        return
    assert encode_varint(value) == data[:end]


@settings(deadline=None)
@given(VALUES)
def test_every_cut_is_truncated(value):
    code = encode_varint(value)
    for end in range(len(code)):
        with pytest.raises(TruncatedError) as caught:
            decode_varint(code + b"\x00" * 5, 0, end)
        assert caught.value.offset == end


@pytest.mark.parametrize("text", ["8000", "ff00", "80808000", "8080808010", "ffffffff1f", "808080808001", "ffffffffff"])
def test_longer_spellings_and_more_than_32_bits_are_refused(text):
    with pytest.raises(BitstreamError) as caught:
        decode_varint(bytes.fromhex(text), 0, len(text) // 2)
    assert not isinstance(caught.value, TruncatedError)


@pytest.mark.parametrize("value", [-1, 2**32])
def test_values_out_of_range_are_not_written(value):
    with pytest.raises(BitstreamError):
        encode_varint(value)
