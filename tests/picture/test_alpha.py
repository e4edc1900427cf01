"""Alpha is lossless, and its size is checked before it is decoded."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from codectk.base.errors import BitstreamError, ContractError
from codectk.picture.alpha import decode_alpha, encode_alpha


@given(height=st.integers(1, 40), width=st.integers(1, 40), seed=st.integers(0, 99), levels=st.integers(1, 256))
@settings(max_examples=40)
def test_lossless(height, width, seed, levels):
    alpha = np.random.default_rng(seed).integers(0, levels, (height, width)).astype(np.uint8)
    back = decode_alpha(encode_alpha(alpha), height, width)
    assert back.dtype == np.uint8
    np.testing.assert_array_equal(back, alpha)


def test_size_is_checked_before_decoding(monkeypatch):
    data = encode_alpha(np.zeros((4, 6), np.uint8))
    opened = []
    real = PngImagePlugin.PngImageFile
    monkeypatch.setattr(PngImagePlugin, "PngImageFile", lambda file: opened.append(file) or real(file))
    for height, width in ((6, 4), (4, 5), (400, 600)):
        with pytest.raises(BitstreamError, match="6 x 4") as caught:
            decode_alpha(data, height, width)
        assert caught.value.chunk == "ALPH"
    assert not opened
    decode_alpha(data, 4, 6)
    assert len(opened) == 1


def test_other_pngs_and_other_data_are_refused():
    def png(array):
        file = io.BytesIO()
        Image.fromarray(array).save(file, "PNG")
        return file.getvalue()

    for wrong in (np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4), np.uint16), np.zeros((4, 4), bool)):
        with pytest.raises(BitstreamError, match="8-bit grey"):
            decode_alpha(png(wrong), 4, 4)
    for data in (b"", b"\x89PNG\r\n\x1a\n", b"GIF89a" + bytes(40)):
        with pytest.raises(BitstreamError, match="not a PNG"):
            decode_alpha(data, 4, 4)


def test_every_cut_and_flip_is_an_error_or_the_same_size():
    alpha = np.random.default_rng(0).integers(0, 256, (7, 9)).astype(np.uint8)
    data = encode_alpha(alpha)
    cuts = [data[:length] for length in range(len(data))]
    flips = [data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :] for at in range(len(data))]
    errors = 0
    for damaged in cuts + flips:
        try:
            assert decode_alpha(damaged, 7, 9).shape == (7, 9)
        except BitstreamError:
            errors += 1
    assert errors > 0.8 * (len(cuts) + len(flips))


def test_misuse():
    for wrong in (np.zeros((4, 4), np.float32), np.zeros((4, 4, 1), np.uint8), np.zeros((0, 4), np.uint8)):
        with pytest.raises(ContractError):
            encode_alpha(wrong)
