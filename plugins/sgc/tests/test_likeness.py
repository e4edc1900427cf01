"""Distances between pictures, and the best of several seeds by them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from codectk.base.progress import reporting
from codectk.base.types import Context, Picture
from codectk.bitstream.reader import read
from codectk.pipeline.codec import Codec
from codectk.pipeline.encode import Encoding
from codectk.pipeline.goal import encode_best
from codectk.plugins.manager import find_codec
from codectk.testing.pictures import scene
from codectk_sgc.encoder.likeness import Likeness
from codectk_sgc.network import Network, build

TINY = {"widths": (16, 16), "vq_widths": (16, 16, 16), "codes": 64}
SCENE = Picture(scene(70, 100))


@pytest.fixture(scope="module")
def tiny() -> Network:
    torch.manual_seed(0)
    return build(TINY).eval()


@pytest.fixture
def ready(tiny: Network) -> Codec:
    card, record = find_codec("sgc")
    return Codec(tiny.codec(), card, record.distribution)


def tensor(picture: Picture) -> torch.Tensor:
    return torch.from_numpy(picture.pixels / np.float32(255)).permute(2, 0, 1).unsqueeze(0)


def test_a_distance_grows_with_the_damage():
    torch.manual_seed(3)
    x = tensor(Picture(scene(96, 128)))
    likeness = Likeness()
    noise = torch.randn_like(x)
    distances = [likeness.distance(x, (x + amount * noise).clamp(0, 1)) for amount in (0, 0.02, 0.1, 0.4)]
    assert distances[0] == pytest.approx(0, abs=1e-6) and distances == sorted(distances) and 0.1 < distances[-1] <= 4
    # A shift by a pixel is nothing to a person, and ruins the error of pixels.
    shifted, blurred = x.roll(1, -1), torch.nn.functional.avg_pool2d(x, 9, 1, 4, count_include_pad=False)
    assert likeness.distance(x, shifted) < 0.5 * likeness.distance(x, blurred)
    assert likeness.distance(x, shifted) == pytest.approx(likeness.distance(shifted, x), rel=1e-4)


def test_the_two_parts_of_the_analysis_are_the_whole(tiny: Network):
    x, ctx = tensor(SCENE), Context(70, 100)
    whole = tiny.analysis(x, None, ctx)
    prepared = tiny.analysis.prepare(x, None, ctx)
    parts = tiny.analysis.finish(prepared, ctx)
    assert all(np.array_equal(whole[name], parts[name]) for name in ("labels", "colors"))
    assert prepared.picture.shape == (1, 3, 64, 96)
    assert tiny.analysis.distance(prepared, x, ctx) == pytest.approx(0, abs=1e-6)
    assert tiny.analysis.distance(prepared, 1 - x, ctx) > 0.1


def test_the_seed_in_the_file_is_the_one_whose_picture_is_closest(ready: Codec):
    few = {**ready.card.knobs, "steps": replace(ready.card.knobs["steps"], default=5)}
    ready = replace(ready, card=replace(ready.card, knobs=few))
    heard: list[tuple[Any, ...]] = []
    encoding = Encoding(ready, SCENE, {"seed": 5})
    data = encode_best(encoding, 3, progress=lambda done, total=None, **fields: heard.append((done, total, fields)))
    told = {fields["seed"]: fields["distance"] for _, _, fields in heard if fields}
    assert list(told) == [5, 6, 7] and len(set(told.values())) == 3
    best = min(told, key=told.__getitem__)
    assert data == ready.encode(SCENE, seed=best)
    assert encoding.distance(ready.decode_picture(read(data))) == told[best]
    taken = max(round(5 * few["strength"].default), 1)
    assert heard[-1][:2] == (3 * taken, 3 * taken)


def test_every_step_is_reported(ready: Codec):
    data = ready.encode(SCENE)
    heard = []
    with reporting(lambda done, total=None, **fields: heard.append((done, total))):
        ready.decode_picture(read(data), steps=6, strength=0.5)
    assert heard == [(1, 3), (2, 3), (3, 3)]
