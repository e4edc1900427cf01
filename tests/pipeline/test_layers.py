"""Layers through the whole pipeline: cut files, fewer layers on purpose, and codecs without any."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from codectk import api
from codectk.base.errors import (
    BitstreamError,
    ContractError,
    IncompleteWarning,
    ParameterMismatchError,
    TruncatedError,
    UsageError,
)
from codectk.base.types import Picture
from codectk.bitstream.chunk import Chunk
from codectk.bitstream.reader import read
from codectk.bitstream.writer import write
from codectk.eval.probe import probe
from codectk.metrics.psnr import psnr
from codectk.pipeline.encode import Encoding
from codectk.pipeline.load import load
from codectk.testing import corrupt, pictures

SCENE = pictures.scene(40, 56)


@pytest.fixture
def data(onion) -> bytes:
    """A base layer and three more."""
    return api.encode(SCENE, "onion", quality=70, aligned=True)


def pixels(data: bytes, layers: int | None = None) -> np.ndarray:
    return np.asarray(api.decode(data, layers=layers))


def test_quality_chooses_the_layers(onion):
    files = [api.encode(SCENE, "onion", quality=quality, aligned=True) for quality in (0, 1, 25, 26, 100)]
    assert [len(api.info(file).layers) for file in files] == [1, 2, 2, 3, 5]
    assert api.info(files[0]).overhead_bytes <= 24 + len("onion" + "codectk-onion") + 2


def test_each_layer_comes_closer(data):
    found = [psnr(SCENE, pixels(data, layers)) for layers in range(4)]
    assert found == sorted(set(found)) and np.array_equal(pixels(data), pixels(data, 3))
    assert np.array_equal(pixels(data, 99), pixels(data))


def test_a_whole_file_decodes_without_a_remark(data):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for layers in (None, 0, 3, 9):
            api.decode(data, layers=layers)
        base, *_ = corrupt.layer_ends(data)
        api.decode(data[:base], layers=0)  # all that was asked for is there


def test_a_cut_file_is_told(data):
    end = corrupt.layer_ends(data)[2]
    for layers in (None, 3):
        with pytest.warns(IncompleteWarning, match="The file ends after layer 2; the rest is missing"):
            assert np.array_equal(np.asarray(api.decode(data[:end], layers=layers)), pixels(data, 2))
    with pytest.raises(TruncatedError, match="layer 3; the base layer and 2 more are whole, and --layers 2 decodes"):
        api.decode(data[: end + 1])
    with pytest.raises(TruncatedError, match="incomplete: it is cut behind layer 2"):
        api.verify(data[:end])
    info = api.info(data[:end])
    assert not info.complete and len(info.layers) == 3 and info.bytes == end


def test_alpha_and_grey_survive_the_cut(onion):
    from PIL import Image

    image = Image.fromarray(np.dstack([pictures.grey_scene(33, 47), pictures.alpha_ramp(33, 47)]), "LA")
    data = api.encode(image, "onion", aligned=True)
    base, *_ = corrupt.layer_ends(data)
    with pytest.warns(IncompleteWarning):
        decoded = api.decode(data[:base])
    assert decoded.mode == "LA" and np.array_equal(np.asarray(decoded)[..., 1], np.asarray(image)[..., 1])


def test_other_codecs_have_no_layers(pocket):
    data = api.encode(SCENE, "pocket")
    with pytest.raises(UsageError, match="no layers"):
        api.decode(data, layers=0)
    header, chunks = read(data).header, read(data).chunks
    with pytest.raises(BitstreamError, match="2 chunks of latents, but codec 'pocket' reads one"):
        api.decode(write(header, [*chunks, Chunk.of("LATS", b"abc")]))


def test_a_cut_behind_the_latents_of_a_codec_without_layers(pocket):
    """What the missing chunk was is not known, so its absence is an error as ever."""
    container = read(api.encode(SCENE, "pocket"))
    data = write(container.header, [*container.chunks, Chunk.of("LATS", b"abc")])
    with pytest.raises(TruncatedError, match="The file is cut: its last chunk is missing"):
        api.decode(data[: corrupt.layer_ends(data)[0]])


@pytest.mark.parametrize("layers", [-1, 1.0, "1", True])
def test_numbers_of_layers_that_are_none(data, layers):
    for file in (data, data[:-1]):
        with pytest.raises(UsageError, match="number of layers"):
            api.decode(file, layers=layers)
    with pytest.raises(UsageError, match="number of layers"):
        load("onion").decode_picture(read(data), layers=layers)


def test_a_wrong_layer_is_refused_unless_it_is_not_wanted(data):
    payloads = read(data).payloads("LATS")
    forged = corrupt.with_payload(data, b"\x55" + payloads[2][1:], 2)
    with pytest.raises((ParameterMismatchError, BitstreamError)):
        api.decode(forged)
    assert np.array_equal(pixels(forged, 1), pixels(data, 1))


def test_more_layers_than_the_codec_has(onion):
    data = api.encode(SCENE, "onion", quality=100, aligned=True)
    grown = write(read(data).header, [*read(data).chunks, Chunk.of("LATS", b"abc")])
    with pytest.raises(BitstreamError, match="more layers than its codec reads"):
        api.decode(grown)
    assert np.array_equal(pixels(grown, 4), pixels(data))


def test_a_codec_that_does_not_say_that_it_is_layered(onion):
    ready = load("onion")
    silent = replace(ready, stages=replace(ready.stages, layered=False))
    with pytest.raises(ContractError, match="does not say that it is layered"):
        silent.encode(Picture(SCENE), aligned=True)
    # A base layer alone is a file like any other.
    silent.encode(Picture(SCENE), quality=0, aligned=True)


def test_the_estimate_covers_all_layers(data):
    ready = load("onion")
    encoding = Encoding(ready, Picture(SCENE), {"quality": 70}, aligned=True)
    found = probe(data, ready)
    assert found.estimated_bits == encoding.bits()
    assert abs(found.payload_bytes - encoding.bits() / 8) < 8
    assert found.payload_bytes + found.overhead_bytes == len(data)
    assert api.info(data).overhead_bytes == found.overhead_bytes


def test_settings_share_the_layers(data):
    container, ready = read(data), load("onion")
    assert np.array_equal(ready.decode_picture(container, layers=1).pixels, pixels(data, 1))
