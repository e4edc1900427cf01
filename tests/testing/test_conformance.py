"""The conformance kit notices codecs that break a promise: each of these is the pocket codec with one fault."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from codectk import api
from codectk.base.errors import BitstreamError, ContractError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder
from codectk.pipeline.build import build_codec
from codectk.plugins import manager
from codectk.testing import CodecConformance, corrupt, pictures
from codectk.testing.conformance import _refuse


class Wrapped:
    """A stage that is another stage but for what a subclass changes."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


class OneQuality(Wrapped):
    def __call__(self, x: Any, condition: Any, ctx: Context) -> Any:
        return self.inner(x, condition, Context(ctx.height, ctx.width, {"quality": 50.0}))

    def prepare(self, x: Any, condition: Any, ctx: Context) -> Any:
        return self.inner.prepare(x, condition, ctx)

    def finish(self, prepared: Any, ctx: Context) -> Any:
        return self.inner.finish(prepared, Context(ctx.height, ctx.width, {"quality": 50.0}))


class Dice(Wrapped):
    """A synthesis that rolls dice without a seed."""

    rng = np.random.default_rng(1)

    def __call__(self, latents: Any, ctx: Context) -> Any:
        x = self.inner(latents, ctx)
        return x + self.rng.normal(0, 0.1, x.shape)


class Wasteful(Wrapped):
    """A coding program that writes what the meter is not told."""

    def code(self, coder: Any, values: Any, ctx: Context) -> Any:
        if isinstance(coder, Encoder):
            for _ in range(100):
                coder.raw(0, 32)
        return self.inner.code(coder, values, ctx)


class Threaded(Wrapped):
    """A coding program whose contexts depend on the number of threads."""

    def code(self, coder: Any, values: Any, ctx: Context) -> Any:
        threads = sys.modules["torch"].get_num_threads()
        coder.raw(None if values is None else threads, 8)
        return self.inner.code(coder, values, ctx)


class Foreseeing(Wrapped):
    """A coding program whose base layer tells whether another follows."""

    def code(self, coder: Any, values: Any, ctx: Context) -> Any:
        coder.raw(None if values is None else int(getattr(coder, "_left", 1) > 0), 1)
        return self.inner.code(coder, values, ctx)


class Blind(Wrapped):
    """A synthesis that does not look at edits."""

    def __call__(self, latents: Any, ctx: Context) -> Any:
        return self.inner(latents, replace(ctx, edits={}))


@pytest.fixture
def faulty(pocket, onion, monkeypatch):
    """A function that puts a faulty stage into one of the test codecs and gives its conformance tests."""

    def build(stage: str, kind: type[Wrapped], name: str = "pocket") -> CodecConformance:
        card, record = manager.find_codec(name)
        codec = build_codec(card, record)
        broken = replace(codec, **{stage: kind(getattr(codec, stage))})
        monkeypatch.setattr("codectk.pipeline.load.build_codec", lambda *args, **kwargs: broken)

        class Kit(CodecConformance):
            codec = name

        return Kit()

    return build


def test_a_dead_quality_knob_is_noticed(faulty):
    with pytest.raises(AssertionError, match="bytes do not rise with quality"):
        faulty("analysis", OneQuality).test_bytes_buy_quality()


def test_unseeded_synthesis_is_noticed(faulty):
    with pytest.raises(AssertionError):
        faulty("synthesis", Dice).test_decoding_twice_gives_the_same_pixels()


def test_bytes_beyond_the_estimate_are_noticed(faulty):
    with pytest.raises(AssertionError):
        faulty("entropy_model", Wasteful).test_estimate_is_what_is_written()


def test_a_base_layer_that_depends_on_later_ones_is_noticed(faulty):
    with pytest.raises(AssertionError):
        faulty("entropy_model", Foreseeing, "onion").test_later_layers_leave_earlier_ones_alone()


def test_a_program_that_codes_layers_nobody_takes_is_noticed(faulty):
    class Deaf(Wrapped):
        def code(self, coder: Any, values: Any, ctx: Context) -> Any:
            latents = self.inner.code(coder, values, ctx)
            coder.raw(None if values is None else 1, 1)
            return latents

    with pytest.raises(ContractError, match="after the last layer"):
        faulty("entropy_model", Deaf, "onion").test_later_layers_leave_earlier_ones_alone()


def test_a_cut_file_that_is_painted_otherwise_is_noticed(faulty, monkeypatch):
    """A synthesis that knows whether the file is cut, which it must not."""
    from codectk.pipeline import decode

    whole = []

    class Counting(Decoder):
        def __init__(self, payloads: Any, *, layers: int | None = None) -> None:
            whole.append(layers is not None)
            super().__init__(payloads, layers=layers)

    class Guessing(Wrapped):
        def __call__(self, latents: Any, ctx: Context) -> Any:
            return self.inner(latents, ctx) + (0.1 if whole[-1] else 0)

    monkeypatch.setattr(decode, "Decoder", Counting)
    with pytest.raises(AssertionError, match="is not the file decoded to it"):
        faulty("synthesis", Guessing, "onion").test_every_prefix_is_what_fewer_layers_are()


def test_an_edit_that_nobody_sees_is_noticed(faulty):
    with pytest.raises(AssertionError):
        faulty("synthesis", Blind, "onion").test_an_edit_is_seen_and_costs_the_latents_nothing()


def test_dependence_on_threads_is_noticed(faulty, monkeypatch):
    state = SimpleNamespace(count=3)
    torch = SimpleNamespace(
        get_num_threads=lambda: state.count, set_num_threads=lambda count: setattr(state, "count", count)
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    with pytest.raises(AssertionError):
        faulty("entropy_model", Threaded).test_threads_change_nothing()
    assert state.count == 3


def test_a_picture_from_damage_is_noticed(pocket):
    good = api.encode(pictures.scene(16, 16), "pocket")
    with pytest.raises(pytest.fail.Exception, match=r"harmless: decoded to a picture"):
        _refuse(api.decode, [("harmless", good)], BitstreamError)


def test_a_crash_on_damage_is_noticed(pocket, monkeypatch):
    good = api.encode(pictures.scene(16, 16), "pocket")

    def explode(data: bytes) -> None:
        raise IndexError("oh")

    monkeypatch.setattr(api, "decode", explode)
    with pytest.raises(pytest.fail.Exception, match="IndexError instead of a refusal"):
        _refuse(api.decode, corrupt.cuts(good), BitstreamError)


def test_a_codec_of_the_wrong_size_is_noticed(faulty):
    class Short(Wrapped):
        def __call__(self, x: Any, latents: Any, ctx: Context) -> Any:
            return x[:-1]

    with pytest.raises(ContractError, match="shape"):
        faulty("post", Short).test_any_size()
