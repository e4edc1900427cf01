"""A wanted size is met in at most eight files, whatever the shape of the rate curve."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest

from codectk.base.errors import TargetError, UsageError
from codectk.picture.read import read_picture
from codectk.pipeline.encode import Encoding
from codectk.pipeline.load import load
from codectk.pipeline.search import MAX_ENCODES, MAX_REFINED, encode_to_target
from codectk.spec.knob import Knob
from codectk.testing.pictures import scene

QUALITY = Knob("quality", "encoder", "float", 0.0, 100.0, 50.0, coded=True, rate=True)


class Curve:
    """Stands for an encoding: makes files of the size that a curve says, and counts them."""

    effort = 0

    def __init__(self, curve, knob=QUALITY, start=None):
        card = SimpleNamespace(rate_knob=knob)
        self.codec = SimpleNamespace(card=card, stages=SimpleNamespace(id="curve"))
        self.curve, self.tried = curve, []
        self.rate = knob.default if start is None else start

    def file(self, rate):
        self.tried.append(rate)
        return bytes(round(self.curve(rate)))


class Harder(Curve):
    """The same with effort, which saves a part of the bytes, and takes long."""

    effort = 3

    def plain(self):
        return Curve(self.curve)

    def file(self, rate):
        return super().file(rate)[::-1][: round(0.93 * self.curve(rate))]


CURVES = {
    "exponential": lambda q: 500 * 2 ** (q / 12.5),
    "linear": lambda q: 1000 + 900 * q,
    "late": lambda q: 3000 + q**4 / 1000,
    "early": lambda q: 2000 + 40_000 * (1 - math.exp(-q / 30)),
    "knee": lambda q: 1000 * 1.01**q if q < 70 else 2000 * 1.12 ** (q - 70),
}


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("place", [0.5, 3, 17.3, 50, 66, 88, 99.5])
@pytest.mark.parametrize("strict", [False, True])
def test_targets_within_reach_are_met(name, place, strict):
    encoding = Curve(CURVES[name])
    target = CURVES[name](place)
    size = len(encode_to_target(encoding, target, strict=strict))
    assert 0.98 * target <= size <= target * (1 if strict else 1.02)
    assert len(encoding.tried) == len(set(encoding.tried)) <= MAX_ENCODES


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize("place", [3, 30, 60])
@pytest.mark.parametrize("strict", [False, True])
def test_targets_are_met_with_effort_in_few_files(name, place, strict):
    encoding = Harder(CURVES[name])
    target = CURVES[name](place)
    size = len(encode_to_target(encoding, target, strict=strict))
    assert 0.97 * target <= size <= target * (1 if strict else 1.03)
    assert len(encoding.tried) <= MAX_REFINED


def test_a_target_that_only_files_without_effort_reach():
    encoding = Harder(lambda q: 1000 + 10 * q)
    assert len(encode_to_target(encoding, 1980)) == round(0.93 * 2000)
    with pytest.raises(TargetError):
        encode_to_target(encoding, 5000)


def test_a_target_between_coarse_steps_gets_the_nearest_or_the_one_below():
    steps = Knob("steps", "encoder", "int", 1, 9, 5, coded=True, rate=True)
    for target, near, below in ((2100, 2000, 2000), (2900, 3000, 2000)):
        encoding = Curve(lambda n: 1000 * n, steps)
        assert len(encode_to_target(encoding, target)) == near
        assert len(encode_to_target(Curve(lambda n: 1000 * n, steps), target, strict=True)) == below
        assert len(encoding.tried) <= MAX_ENCODES
        assert all(isinstance(n, int) for n in encoding.tried)


def test_a_rate_knob_that_files_do_not_carry_works_too():
    effort = Knob("effort", "encoder", "float", 0.0, 1.0, 0.5, rate=True)
    size = len(encode_to_target(Curve(lambda e: 1000 * 50**e, effort), 20_000))
    assert abs(size - 20_000) <= 400


def test_tried_values_are_those_a_file_can_carry():
    encoding = Curve(CURVES["exponential"], start=33.33333)
    encode_to_target(encoding, 12_345.6)
    assert all(value == round(value, 2) for value in encoding.tried)


@pytest.mark.parametrize("target", [400, 200_000])
def test_targets_out_of_reach_name_the_range(target):
    encoding = Curve(CURVES["exponential"])
    with pytest.raises(TargetError, match="3 tries with quality 0 to 100 gave 500 to 128000 bytes"):
        encode_to_target(encoding, target)
    assert len(encoding.tried) == 3


def test_strict_takes_the_largest_file_when_the_target_is_beyond_it():
    assert len(encode_to_target(Curve(CURVES["exponential"]), 200_000, strict=True)) == 128_000


def test_strict_never_goes_above_even_at_the_small_end():
    with pytest.raises(TargetError):
        encode_to_target(Curve(CURVES["exponential"]), 499, strict=True)
    assert len(encode_to_target(Curve(CURVES["exponential"]), 499)) == 500


@pytest.mark.parametrize("target", [0, -5, math.nan, math.inf])
def test_nonsense_targets_are_refused(target):
    with pytest.raises(UsageError, match="positive"):
        encode_to_target(Curve(CURVES["linear"]), target)


def test_a_codec_without_rate_knob_is_refused():
    encoding = Curve(CURVES["linear"])
    encoding.codec.card.rate_knob, encoding.rate = None, None
    with pytest.raises(UsageError, match="no rate knob"):
        encode_to_target(encoding, 1000)


def test_progress_hears_every_file():
    heard = []
    encoding = Curve(CURVES["exponential"])
    encode_to_target(encoding, 9000, progress=lambda done, total=None, **fields: heard.append((done, total, fields)))
    assert [(done, total) for done, total, _ in heard] == [(i + 1, 8) for i in range(len(encoding.tried))]
    assert [fields["quality"] for _, _, fields in heard] == encoding.tried
    assert all(fields["bytes"] == round(encoding.curve(fields["quality"])) for _, _, fields in heard)


def test_the_costly_part_of_the_analysis_runs_once(pocket, monkeypatch):
    ready = load("pocket")
    runs = []
    prepare = type(ready.stages.analysis).prepare
    monkeypatch.setattr(
        type(ready.stages.analysis), "prepare", lambda self, *args: runs.append(1) or prepare(self, *args)
    )
    encoding = Encoding(ready, read_picture(scene(96, 128)))
    target = (len(encoding.file(20.0)) + len(encoding.file(60.0))) // 2
    data = encode_to_target(encoding, target)
    assert abs(len(data) - target) <= 0.02 * target
    assert runs == [1]
    assert np.array_equal(encoding.picture.pixels, scene(96, 128))


WIGGLES = {
    "dip": lambda q: 255 - 11 * math.exp(-(((q - 10) / 6) ** 2)) + 57 * (q / 50) ** 2,
    "bump": lambda q: 400 + 3 * q + 60 * math.exp(-(((q - 90) / 5) ** 2)),
    "steps": lambda q: 300 + 40 * (q // 20) + 9 * ((q * 7) % 5),
}


@pytest.mark.parametrize("name", WIGGLES)
@pytest.mark.parametrize("place", [0, 5, 10, 13, 50, 88, 90, 100])
def test_sizes_need_not_grow_with_the_knob(name, place):
    target = round(WIGGLES[name](place))
    encoding = Curve(WIGGLES[name])
    data = encode_to_target(encoding, target)
    assert abs(len(data) - target) == min(abs(round(WIGGLES[name](q)) - target) for q in encoding.tried)
    assert abs(len(data) - target) <= 0.03 * target
    assert len(encoding.tried) == len(set(encoding.tried)) <= MAX_ENCODES + 2


@pytest.mark.parametrize("what", ["black", "white", "red", "noise", "dots"])
def test_what_a_codec_has_made_can_be_asked_of_it(what):
    """Pictures at the edges of what there is, whose files shrink here and there where the quality rises."""
    codec = pytest.importorskip("codectk_segpic") and load("segpic")
    picture = np.zeros((128, 192, 3), np.uint8)
    noise = np.random.default_rng(1).integers(0, 256, picture.shape).astype(np.uint8)
    picture[:] = {"black": 0, "white": 255, "red": (255, 0, 0), "noise": noise, "dots": 255 * (noise > 250)}[what]
    encoding = codec.prepare(picture)
    sizes = [len(encoding.file(quality)) for quality in (0.0, 5.0, 10.0, 50.0, 100.0)]
    for size in sizes:
        data = encode_to_target(encoding, size)
        assert abs(len(data) - size) <= max(0.04 * size, 8), f"{len(data)} bytes for {size}; there are {sizes}"
        assert len(encode_to_target(encoding, size, strict=True)) <= size
