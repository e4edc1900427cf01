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
from codectk.coding.coder import Encoder
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


@pytest.fixture
def faulty(pocket, monkeypatch):
    """A function that puts a faulty stage into the pocket codec and gives its conformance tests."""

    def build(stage: str, kind: type[Wrapped]) -> CodecConformance:
        codec, card, record = manager.codec("pocket")
        broken = replace(codec, **{stage: kind(getattr(codec, stage))})
        monkeypatch.setattr(manager, "codec", lambda *args, **kwargs: (broken, card, record))

        class Kit(CodecConformance):
            codec = "pocket"

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
        _refuse([("harmless", good)], BitstreamError)


def test_a_crash_on_damage_is_noticed(pocket, monkeypatch):
    good = api.encode(pictures.scene(16, 16), "pocket")

    def explode(data: bytes) -> None:
        raise IndexError("oh")

    monkeypatch.setattr(api, "decode", explode)
    with pytest.raises(pytest.fail.Exception, match="IndexError instead of a refusal"):
        _refuse(corrupt.cuts(good), BitstreamError)


def test_a_codec_of_the_wrong_size_is_noticed(faulty):
    class Short(Wrapped):
        def __call__(self, x: Any, latents: Any, ctx: Context) -> Any:
            return x[:-1]

    with pytest.raises(ContractError, match="shape"):
        faulty("post", Short).test_any_size()
