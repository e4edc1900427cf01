"""Any map comes back; nothing else is ever taken for one."""

import io
import lzma
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from codectk.base.errors import BitstreamError, CodectkError, ContractError, ParameterMismatchError, WeightsError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder, Meter
from codectk_sgc.labels.coder import LabelCoder

pytestmark = pytest.mark.portable

SIDES = st.integers(1, 40)


@settings(max_examples=25, deadline=None)
@given(SIDES, SIDES, st.integers(1, 255), st.integers(0, 2**32), st.floats(0, 1))
def test_any_map_comes_back(arrays, through, height: int, width: int, classes: int, seed: int, calm: float):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, (height, width))
    flat = rng.random((height, width)) < calm
    labels[flat] = labels[0, 0]
    latents, _ = through(LabelCoder(arrays, classes), {"labels": labels}, height * 16, width * 16)
    assert latents["labels"].dtype == np.int32
    assert np.array_equal(latents["labels"], labels)


Y, X = np.mgrid[:32, :32]


@pytest.mark.parametrize(
    ("labels", "most"),
    [
        (0 * X, 8),
        ((X + Y) % 2, 40),
        (X % 2, 40),
        (Y % 2, 40),
        ((X // 4 + Y // 4) % 2, 60),
        ((X * 7 + Y * 224) % 255, 1200),
    ],
    ids=["constant", "checkerboard", "columns", "rows", "squares", "all different"],
)
def test_drawn_maps(arrays, through, labels: np.ndarray, most: int):
    latents, payload = through(LabelCoder(arrays, 255), {"labels": labels}, 512, 512)
    assert np.array_equal(latents["labels"], labels)
    assert len(payload) <= most


def test_maps_like_those_of_photos_are_far_smaller_than_elsewhere(label_coder, through, outdoors):
    ours = others = 0
    for labels in outdoors:
        ours += len(through(label_coder, {"labels": labels}, 512, 512)[1])
        small = np.unique(labels, return_inverse=True)[1].reshape(labels.shape).astype(np.uint8)
        files = io.BytesIO(), io.BytesIO()
        Image.fromarray(small).save(files[0], "PNG", optimize=True)
        Image.fromarray(np.repeat(small[..., None], 3, -1)).save(files[1], "WEBP", lossless=True, method=6, quality=100)
        packed = zlib.compress(small.tobytes(), 9), lzma.compress(small.tobytes(), lzma.FORMAT_ALONE)
        others += min(*(len(file.getvalue()) for file in files), *map(len, packed))
    assert ours < 0.75 * others


def test_the_meter_counts_what_is_written(label_coder, through, outdoors):
    for labels in outdoors[:2]:
        meter = Meter()
        label_coder.code(meter, {"labels": labels}, Context(512, 512))
        payload = through(label_coder, {"labels": labels}, 512, 512)[1]
        assert 8 * len(payload) - 8 - 4 <= meter.bits + 24 <= 8 * len(payload) + 4


def test_damage_is_noticed(label_coder, through, outdoors):
    payload = through(label_coder, {"labels": outdoors[0]}, 512, 512)[1]
    rng = np.random.default_rng(1)
    forged = [
        bytes([*payload[:at], payload[at] ^ 1 << int(rng.integers(8)), *payload[at + 1 :]])
        for at in range(0, len(payload), 5)
    ]
    forged += [
        payload[: len(payload) // 2],
        payload[:3],
        payload + b"\1",
        rng.bytes(100) + b"\1",
        rng.bytes(2000) + b"\1",
    ]
    for data in forged:
        with pytest.raises((BitstreamError, ParameterMismatchError)):
            decoder = Decoder([data])
            label_coder.code(decoder, None, Context(512, 512))
            decoder.finish()


def test_another_number_of_labels_is_noticed(arrays, label_coder, through, outdoors):
    payload = through(label_coder, {"labels": outdoors[1]}, 512, 512)[1]
    decoder = Decoder([payload])
    with pytest.raises(CodectkError):
        LabelCoder(arrays, 200).code(decoder, None, Context(512, 512))
        decoder.finish()


@pytest.mark.parametrize("bad", [np.zeros((2, 3), int), np.zeros((2, 2)), np.full((2, 2), 182), np.full((2, 2), -1)])
def test_what_is_no_such_map_is_refused(label_coder, bad: np.ndarray):
    with pytest.raises(ContractError, match="label coder takes"):
        label_coder.code(Encoder(), {"labels": bad}, Context(32, 32))


def test_foreign_networks_are_refused(arrays):
    with pytest.raises(WeightsError, match="must take 53 numbers"):
        LabelCoder(
            {**arrays, **{f"labels.1.{part}": arrays[f"colors.0.{part}"] for part in ("w1", "b1", "w2", "b2")}}, 9
        )
    with pytest.raises(WeightsError, match=r"lacks the array labels\.0\.w1"):
        LabelCoder({}, 9)
