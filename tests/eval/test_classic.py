"""The reference encoders are what their descriptions say."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from codectk.eval.classic import REFERENCES, Reference, decode, encode_at_size, encode_jpeg, encode_webp


def test_jpeg_is_progressive_420_and_optimized(picture: np.ndarray) -> None:
    data = encode_jpeg(picture, 60)
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    assert image.info.get("progressive")
    assert JpegImagePlugin.get_sampling(image) == 2
    plain = io.BytesIO()
    Image.fromarray(picture).save(plain, "JPEG", quality=60)
    assert len(data) < len(plain.getvalue())


def test_webp_is_lossy_webp(picture: np.ndarray) -> None:
    data = encode_webp(picture, 60)
    assert data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8 "
    assert decode(data).shape == picture.shape


@pytest.mark.parametrize("reference", REFERENCES.values(), ids=list(REFERENCES))
def test_encode_at_size_is_the_lowest_quality_that_is_not_smaller(reference: Reference, picture: np.ndarray) -> None:
    target = (len(reference.encode(picture, 30)) + len(reference.encode(picture, 31))) // 2
    found = encode_at_size(reference, picture, target)
    assert found.data == reference.encode(picture, found.quality)
    assert len(found.data) >= target
    assert len(reference.encode(picture, found.quality - 1)) < target


def test_encode_at_size_beyond_the_range(picture: np.ndarray) -> None:
    jpeg = REFERENCES["jpeg"]
    assert encode_at_size(jpeg, picture, 1).quality == 1
    assert encode_at_size(jpeg, picture, 10**9).quality == jpeg.best
    assert encode_at_size(jpeg, picture, len(encode_jpeg(picture, 42))).data == encode_jpeg(picture, 42)


def test_sweeps_are_curves(picture: np.ndarray) -> None:
    for reference in REFERENCES.values():
        sizes = [len(reference.encode(picture, q)) for q in reference.sweep]
        assert sizes == sorted(sizes)
