"""Stages that do not fit are refused when they are wired, in a sentence that names both."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from codectk.base.errors import ContractError
from codectk.graph import wire
from codectk.spec.card import CodecCard
from codectk.spec.knob import Knob
from codectk.spec.stages import LatentSpec, Stages

Y = LatentSpec("y", 8, 16)
Z = LatentSpec("z", 4, 64)
FREE = LatentSpec("code", None, None, "factorized")


class Stage:
    """Declares what it is told to and does nothing."""

    def __init__(self, **declared: Any) -> None:
        for name, value in declared.items():
            setattr(self, name, value)

    def __call__(self, *args: Any) -> Any:
        return None

    def code(self, coder: Any, values: Any, ctx: Any) -> Any:
        return None


def codec(**changes: Any) -> Stages:
    good = Stages(
        id="good",
        stride=64,
        weights_hash="",
        portable=True,
        analysis=Stage(produces=(Y, Z, FREE)),
        entropy_model=Stage(needs=(Y, Z), gives=(Y, FREE)),
        synthesis=Stage(needs=(Y,)),
        post=Stage(needs=(replace(FREE, channels=3),)),
    )
    return replace(good, **changes)


def test_stages_that_fit_are_accepted():
    wire.check(codec())
    wire.check(codec(post=None, conditioning=Stage(), weights_hash="0f" * 32))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"synthesis": Stage(needs=(Z,))}, "synthesis .* needs latent 'z', but the entropy model gives code, y"),
        ({"entropy_model": Stage(needs=(LatentSpec("w", 1, 16),), gives=(Y,))}, "needs latent 'w', but the analysis"),
        ({"entropy_model": Stage(needs=(Y,), gives=())}, "gives nothing"),
        ({"synthesis": Stage(needs=(replace(Y, channels=9),))}, "'y' .* needs channels 9, .* gives channels 8"),
        ({"synthesis": Stage(needs=(replace(Y, stride=8),))}, "needs stride 8, .* gives stride 16"),
        ({"synthesis": Stage(needs=(replace(Y, stride=None),))}, "needs stride None, .* gives stride 16"),
        ({"synthesis": Stage(needs=(replace(Y, kind="labels"),))}, "needs kind labels, .* gives kind gaussian"),
        ({"post": Stage(needs=(Z,))}, "post stage .* needs latent 'z'"),
        ({"stride": 48}, "stride 48, which is not a multiple of stride 64 of its latent 'z'"),
        ({"stride": 0}, "stride 0"),
        ({"stride": True}, "stride True"),
        ({"id": "Bad name"}, "Bad name"),
        ({"id": ""}, "id"),
        ({"id": 7}, "7"),
        ({"weights_hash": "0f0f"}, "hex sha256"),
        ({"analysis": Stage()}, "does not declare what it produces"),
        ({"analysis": Stage(produces=(Y, "z"))}, "not a LatentSpec"),
        ({"analysis": Stage(produces=(Y, Y))}, "'y' twice"),
        ({"analysis": Stage(produces=(replace(Y, channels=-1),))}, "-1 channels or stride"),
        ({"analysis": Stage(produces=(Y, Z), prepare=lambda *a: None)}, "only one of prepare and finish"),
        ({"entropy_model": lambda: None}, "entropy model of codec 'good' has no method code"),
        ({"synthesis": None}, "synthesis of codec 'good' has no method __call__"),
        ({"conditioning": "grid"}, "conditioning of codec 'good' has no method"),
        ({"backend": Stage()}, "no method from_pixels"),
    ],
)
def test_stages_that_do_not_fit_are_refused(changes, sentence):
    with pytest.raises(ContractError, match=sentence):
        wire.check(codec(**changes))


def card(**changes: Any) -> CodecCard:
    knobs = {"quality": Knob("quality", "encoder", "float", 0.0, 100.0, 50.0, coded=True, rate=True)}
    return replace(CodecCard("good", "", "natural", 64, knobs), **changes)


def test_a_card_that_fits_is_accepted():
    wire.check_card(codec(), card())


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"name": "better"}, "asked for codec 'better' and built codec 'good'"),
        ({"stride": 32}, "stride 64, but its card says 32"),
        (
            {"knobs": {"mood": Knob("mood", "encoder", "int", 0, 9, 5, coded=True)}},
            "'mood' is coded, but files can carry only quality, seed",
        ),
    ],
)
def test_a_card_that_lies_is_refused(changes, sentence):
    with pytest.raises(ContractError, match=sentence):
        wire.check_card(codec(), card(**changes))
