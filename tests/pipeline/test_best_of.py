"""Of several seeds, the one whose picture is closest is written; all else is an ordinary encoding."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from codectk import api
from codectk.base.errors import ContractError, UsageError
from codectk.base.progress import report
from codectk.base.types import Picture
from codectk.bitstream.reader import read
from codectk.graph import wire
from codectk.pipeline.codec import Codec
from codectk.pipeline.encode import Encoding
from codectk.pipeline.goal import encode_best
from codectk.pipeline.load import load
from codectk.testing.pictures import scene

SCENE = scene(45, 61)


@pytest.fixture
def ready(grain) -> Codec:
    return load("grain")


class Analysis:
    """That of a codec, with another judgment."""

    def __init__(self, inner: Any, distance: Any) -> None:
        self.inner, self.produces, self.distance = inner, inner.produces, distance
        self.prepared = 0

    def prepare(self, x: Any, condition: Any, ctx: Any) -> Any:
        self.prepared += 1
        return self.inner.prepare(x, condition, ctx)

    def finish(self, prepared: Any, ctx: Any) -> Any:
        return self.inner.finish(prepared, ctx)

    def __call__(self, x: Any, condition: Any, ctx: Any) -> Any:
        return self.finish(self.prepare(x, condition, ctx), ctx)


def judged(ready: Codec, distance: Any) -> tuple[Codec, Analysis]:
    analysis = Analysis(ready.stages.analysis, distance)
    return replace(ready, stages=replace(ready.stages, analysis=analysis)), analysis


def test_the_closest_picture_wins(ready):
    errors = {}
    for seed in range(6):
        decoded = np.asarray(api.decode(api.encode(SCENE, "grain", seed=seed))) / 255
        errors[seed] = np.square(decoded - SCENE / 255).mean()
    best = min(errors, key=errors.__getitem__)
    assert len(set(errors.values())) == 6 and best != 0
    data = api.encode(SCENE, "grain", best_of=6)
    assert api.info(data).knobs["seed"] == best
    assert data == api.encode(SCENE, "grain", seed=best)


def test_seeds_follow_the_one_given_and_go_round(ready):
    heard: list[Any] = []
    several = Encoding(ready, Picture(SCENE), {"seed": 998})
    encode_best(several, 4, progress=lambda done, total=None, **fields: heard.append((done, total, fields)))
    assert [fields["seed"] for _, _, fields in heard if fields] == [998, 999, 0, 1]
    # Four tries of four steps each are one work, and each try ends with its seed and distance.
    assert [done for done, _, fields in heard if not fields] == list(range(1, 17))
    assert [done for done, _, fields in heard if fields] == [4, 8, 12, 16]
    assert {total for _, total, _ in heard} == {16}


def test_never_more_tries_than_seeds(ready):
    few = replace(ready.card.knobs["seed"], maximum=2)
    ready = replace(ready, card=replace(ready.card, knobs={**ready.card.knobs, "seed": few}))
    heard: list[Any] = []
    encode_best(Encoding(ready, Picture(SCENE)), 99, progress=lambda *told, **fields: heard.append(fields))
    assert [fields["seed"] for fields in heard if fields] == [0, 1, 2]


def test_the_picture_is_prepared_once_and_compared_as_it_is_written(ready):
    seen = []

    def distance(prepared: Any, painted: Any, ctx: Any) -> int:
        seen.append((prepared, painted, ctx))
        return -len(seen)

    ready, analysis = judged(ready, distance)
    data = encode_best(Encoding(ready, Picture(SCENE), {"seed": 3, "quality": 20}), 3)
    assert analysis.prepared == 1 and read(data).header.knobs == {"quality": 20.0, "seed": 5}
    decoded = np.asarray(api.decode(data, seed=4))
    prepared, painted, ctx = seen[1]
    assert prepared.shape == painted.shape == (48, 64, 3) and painted.dtype == np.float32
    assert np.array_equal(np.rint(painted[:45, :61] * 255).astype(int), decoded)
    assert np.array_equal(np.rint(prepared[:45, :61] * 255).astype(int), SCENE)
    assert (ctx.height, ctx.width) == (48, 64) and "quality" not in ctx.knobs


def test_of_equal_ones_the_first_wins(ready):
    ready, _ = judged(ready, lambda prepared, painted, ctx: 1)
    assert read(encode_best(Encoding(ready, Picture(SCENE), {"seed": 7}), 3)).header.knobs["seed"] == 7


def test_a_synthesis_that_reports_nothing_is_one_step_each(ready):
    class Quiet:
        needs = ready.stages.synthesis.needs

        def __call__(self, latents: Any, ctx: Any) -> Any:
            report(1)  # without a total there is nothing to add up
            return np.full((ctx.height, ctx.width, 3), 0.5, np.float32)

    quiet = replace(ready, stages=replace(ready.stages, synthesis=Quiet()))
    heard: list[Any] = []
    encode_best(Encoding(quiet, Picture(SCENE)), 2, progress=lambda *told, **fields: heard.append(told))
    assert heard == [(1, 2), (2, 2)]


@pytest.mark.parametrize("said", [float("nan"), float("inf"), None, "near"])
def test_a_distance_must_be_a_number(ready, said):
    ready, _ = judged(ready, lambda prepared, painted, ctx: said)
    with pytest.raises(ContractError, match="not a finite number"):
        encode_best(Encoding(ready, Picture(SCENE)), 2)


def test_codecs_that_cannot_are_told_so(grain, onion):
    with pytest.raises(UsageError, match="'onion' has no seed that its files carry for the decoder"):
        api.encode(SCENE, "onion", best_of=2)
    ready = load("grain")
    seed = ready.card.knobs["seed"]
    for wrong in (replace(seed, coded=False), replace(seed, side="encoder"), replace(seed, type="float")):
        card = replace(ready.card, knobs={**ready.card.knobs, "seed": wrong})
        with pytest.raises(UsageError, match="has no seed"):
            encode_best(Encoding(replace(ready, card=card), Picture(SCENE)), 2)
    blind, analysis = judged(ready, None)
    del analysis.distance
    with pytest.raises(UsageError, match="'grain' cannot tell which of several pictures is closest"):
        encode_best(Encoding(blind, Picture(SCENE)), 2)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"best_of": 0}, "at least 1, not 0"),
        ({"best_of": 2.5}, "at least 1, not 2.5"),
        ({"best_of": True}, "at least 1, not True"),
        ({"best_of": 2, "target_bytes": 500}, "a target size or best_of, not both"),
    ],
)
def test_nonsense_is_refused(grain, arguments, words):
    with pytest.raises(UsageError, match=words):
        api.encode(SCENE, "grain", **arguments)


def test_a_judgment_needs_what_it_judges_by(grain):
    codec = load("grain").stages

    class Whole:
        produces = codec.analysis.produces

        def __call__(self, x: Any, condition: Any, ctx: Any) -> Any:
            return codec.analysis(x, condition, ctx)

        def distance(self, prepared: Any, painted: Any, ctx: Any) -> float:
            return 0.0

    with pytest.raises(ContractError, match="distance without prepare"):
        wire.check(replace(codec, analysis=Whole()))
