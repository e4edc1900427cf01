"""The shared program runs every arrow once and holds stages to their declarations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from codectk.base.errors import ContractError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder, Meter
from codectk.coding.tables import Tables
from codectk.graph import wire
from codectk.pipeline import program
from codectk.spec.stages import LatentSpec, Stages

Y = LatentSpec("y", None, 1, "factorized")
TABLES = Tables.from_counts([np.array([1, 2, 4, 2, 1, 1])], [-2])
CTX = Context(2, 3, {"quality": 10})


class Analysis:
    """Subtracts the condition and divides by the quality."""

    produces = (Y,)

    def __call__(self, x: Any, condition: Any, ctx: Context) -> Any:
        return {"y": (x - condition) // ctx.knobs["quality"]}


class SplitAnalysis(Analysis):
    def prepare(self, x: Any, condition: Any, ctx: Context) -> Any:
        return x - condition

    def finish(self, prepared: Any, ctx: Context) -> Any:
        return {"y": prepared // ctx.knobs["quality"]}


class Model:
    needs = gives = (Y,)

    def code(self, coder: Any, values: Any, ctx: Context) -> Any:
        shape = (ctx.height, ctx.width)
        return {"y": coder.code(np.zeros(shape, np.uint8), None if values is None else values["y"], TABLES)}


class Synthesis:
    needs = (Y,)

    def __call__(self, latents: Any, ctx: Context) -> Any:
        return latents["y"] * ctx.knobs["quality"]


class Brighten:
    needs = (Y,)

    def __call__(self, x: Any, latents: Any, ctx: Context) -> Any:
        return x + 1000 + latents["y"]


CODEC = Stages("toy", 1, "", True, Analysis(), Model(), Synthesis(), conditioning=lambda x, ctx: 5, post=Brighten())
X = np.array([[5, 15, 25], [-5, 35, 5]], np.int32)
SYMBOLS = np.array([[0, 1, 2], [-1, 3, 0]])


@pytest.mark.parametrize("analysis", [Analysis(), SplitAnalysis()])
def test_forward_runs_all_stages(analysis):
    codec = replace(CODEC, analysis=analysis)
    wire.check(codec)
    meter = Meter()
    run = program.forward(codec, X, meter, CTX)
    assert np.array_equal(run.values["y"], SYMBOLS)
    assert np.array_equal(run.latents["y"], SYMBOLS)
    assert np.array_equal(run.x, SYMBOLS * 10 + 1000 + SYMBOLS)
    assert meter.bits == pytest.approx(TABLES.bits(np.zeros((2, 3), int), SYMBOLS))


def test_the_same_program_encodes_and_decodes():
    encoder = Encoder()
    program.code(CODEC, encoder, program.analyze(CODEC, X, CTX), CTX)
    decoder = Decoder(encoder.finish())
    latents = program.code(CODEC, decoder, None, CTX)
    decoder.finish()
    assert np.array_equal(latents["y"], SYMBOLS)
    bare = replace(CODEC, post=None)
    assert np.array_equal(program.synthesize(bare, latents, CTX), SYMBOLS * 10)


def test_a_codec_without_conditioning_gets_none():
    class Sees:
        produces = (Y,)

        def __call__(self, x: Any, condition: Any, ctx: Context) -> Any:
            return {"y": x, "condition": condition}

    assert program.analyze(replace(CODEC, conditioning=None, analysis=Sees()), X, CTX)["condition"] is None


def test_prepared_drops_what_a_split_analysis_has_taken():
    assert program.prepare(replace(CODEC, analysis=SplitAnalysis()), X, CTX).x is None
    assert program.prepare(CODEC, X, CTX).x is X


@pytest.mark.parametrize(("made", "sentence"), [(None, "NoneType instead of a mapping"), ({}, "'y' but did not")])
def test_broken_declarations_are_named(made, sentence):
    class Lazy:
        produces = needs = gives = (Y,)

        def __call__(self, *args: Any) -> Any:
            return made

        def code(self, *args: Any) -> Any:
            return made

    with pytest.raises(ContractError, match=f"analysis of codec 'toy' .*{sentence}"):
        program.forward(replace(CODEC, analysis=Lazy()), X, Meter(), CTX)
    with pytest.raises(ContractError, match=f"entropy model of codec 'toy' .*{sentence}"):
        program.forward(replace(CODEC, entropy_model=Lazy()), X, Meter(), CTX)
