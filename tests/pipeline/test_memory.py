"""What is too large is refused before any network runs."""

from __future__ import annotations

from dataclasses import replace

import pytest
from PIL import Image

import codectk
from codectk.base.errors import InputError, LimitError, MemoryLimitError, UsageError
from codectk.bitstream.tiles import Box, Grid
from codectk.pipeline import memory
from codectk.pipeline.codec import Codec
from codectk.pipeline.load import load
from codectk.spec.footprint import Footprint
from codectk.testing import pictures

SCENE = pictures.scene(150, 230)


@pytest.fixture
def codec(pocket) -> Codec:
    """One that says it takes 100 MB, and 1,000 and 2,000 bytes per pixel of a piece."""
    whole = load("pocket")
    return replace(whole, card=replace(whole.card, memory={whole.engine: Footprint(100, 1000, 2000)}))


def test_the_estimate_is_the_formula(codec):
    whole = Box(0, 0, 400, 300)
    down, across = (-(-side // codec.stages.stride) * codec.stages.stride for side in (300, 400))
    assert memory.estimate(codec, "encode", 400, 300, None, whole) == 100e6 + down * across * 1000 + 12 * 400 * 300
    grid, part = Grid(128, 128, 16), Box(0, 0, 50, 40)
    assert memory.estimate(codec, "decode", 400, 300, grid, part, jobs=3) == (
        100e6 + 3 * 128 * 128 * 2000 + 12 * 50 * 40 + 12 * 50 * 128
    )
    assert memory.estimate(load("pocket"), "decode", 400, 300, grid, part) is None


def test_what_needs_too_much_memory_is_refused_by_figure_and_option(codec, monkeypatch):
    data = codec.encode(SCENE)
    with codectk.resources(max_memory=120_000_000):
        for call in (lambda: codec.encode(SCENE), lambda: codec.decode(data)):
            with pytest.raises(MemoryLimitError, match=r"about 0\.\d GB .* limit is 0\.1 GB; --max-memory"):
                call()
    monkeypatch.setenv("CODECTK_MAX_MEMORY", "0.12G")
    with pytest.raises(MemoryLimitError):
        codec.decode(data)
    monkeypatch.setenv("CODECTK_MAX_MEMORY", "2G")
    codec.decode(data)


def test_pixels_count_as_they_are_wanted(codec, monkeypatch):
    data = codec.encode(SCENE)
    monkeypatch.setenv("CODECTK_MAX_PIXELS", "30k")
    with pytest.raises(LimitError, match="230 x 150 pixels are more than the limit of 30,000; --max-pixels"):
        codec.decode(data)
    with pytest.raises(InputError, match="CODECTK_MAX_PIXELS"):
        codec.encode(SCENE)
    assert codec.decode(data, region=(0, 0, 100, 100)).size == (100, 100)
    with codectk.resources(max_pixels=230 * 150):
        codec.decode(data)


def test_picture_files_are_refused_by_their_header(tmp_path, codec):
    path = tmp_path / "a.png"
    Image.fromarray(SCENE).save(path)
    with codectk.resources(max_pixels=1000), pytest.raises(InputError, match=r"230 x 150 pixels; .* 1,000 in all"):
        codec.encode(path)


@pytest.mark.parametrize(
    "given", [{"max_pixels": 0}, {"max_pixels": 200_000_001}, {"max_memory": -1}, {"jobs": 0}, {"jobs": 1.5}]
)
def test_what_is_no_limit(given):
    with pytest.raises(UsageError, match="whole number from 1"), codectk.resources(**given):
        pass


@pytest.mark.parametrize("text", ["", "much", "-2G", "2X", "1e9"])
def test_what_is_no_amount(codec, monkeypatch, text):
    monkeypatch.setenv("CODECTK_MAX_MEMORY", text or " ")
    with pytest.raises(UsageError, match="CODECTK_MAX_MEMORY is a number such as 500M"):
        codec.encode(SCENE)
