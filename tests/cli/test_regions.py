"""codectk decode --region and --scale."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import read
from codectk.pipeline.load import load
from codectk.testing import pictures


@pytest.fixture
def whole(ctk: Path, run) -> np.ndarray:
    """Pixels of a.ctk, uint8 (48, 64, 3)."""
    assert run("decode", "a.ctk", "-o", "whole.png").code == 0
    return np.asarray(Image.open("whole.png"))


def test_a_region(run, whole):
    assert run("decode", "a.ctk", "-o", "part.png", "--region", "10,20,30,25").code == 0
    assert np.array_equal(np.asarray(Image.open("part.png")), whole[20:45, 10:40])


@pytest.mark.parametrize("scale", ["1/4", "4"])
def test_a_preview(run, whole, scale):
    result = run("decode", "a.ctk", "-o", "small.png", "--scale", scale, "--json")
    assert json.loads(result.out)["width"] == 16
    assert Image.open("small.png").size == (16, 12)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--region", "1,2,3"), "four whole numbers"),
        (("--region", "a,2,3,4"), "four whole numbers"),
        (("--region", "60,0,20,20"), "no part of a picture of 64 x 48"),
        (("--scale", "1/3"), "reduced by 1, 2, 4, 8"),
        (("--scale", "half"), "1/2, 1/4 or 1/8"),
    ],
)
def test_what_is_no_region_or_scale(run, whole, options, sentence):
    result = run("decode", "a.ctk", "-o", "part.png", *options)
    assert result.code == 2 and sentence in result.err


@pytest.mark.parametrize("knob", [(), ("--knob", "deblock=0.5")])
def test_a_knob_leaves_other_tiles_unread(folder, pocket, run, knob):
    whole = load("pocket")
    data = bytearray(replace(whole, card=replace(whole.card, tile=96)).encode(pictures.scene(150, 230)))
    data[bytes(data).index(read(data).payloads(LATENTS)[4]) + 3] ^= 8
    Path("tiles.ctk").write_bytes(data)
    assert run("decode", "tiles.ctk", "-o", "part.png", "--region", "0,0,50,50", *knob).code == 0
    assert run("decode", "tiles.ctk", "-o", "part.png", *knob).code == 3
