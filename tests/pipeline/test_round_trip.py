"""A picture becomes a file and comes back, with everything around the latents in its place."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from codectk.base import limits
from codectk.base.errors import (
    BitstreamError,
    ContractError,
    InputError,
    ParameterMismatchError,
    UsageError,
    WeightsError,
)
from codectk.base.types import Context, Picture
from codectk.bitstream.chunk import Chunk
from codectk.bitstream.reader import read
from codectk.bitstream.writer import write
from codectk.coding.tables import Tables
from codectk.pipeline.codec import Codec
from codectk.pipeline.decode import coding_context, decode_latents
from codectk.pipeline.encode import Encoding
from codectk.pipeline.load import load
from codectk.spec.knob import Knob
from codectk.testing import corrupt, pictures

PICTURE = Picture(pictures.scene(30, 45))


@pytest.fixture
def ready(pocket) -> Codec:
    return load("pocket")


class Spy:
    """A stage that writes down the knobs it was shown."""

    def __init__(self, inner: Any, seen: dict[str, Any], key: str) -> None:
        self._inner, self._seen, self._key = inner, seen, key

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def _note(self, ctx: Context) -> None:
        self._seen[self._key] = (ctx.height, ctx.width, dict(ctx.knobs))

    def __call__(self, *args: Any) -> Any:
        self._note(args[-1])
        return self._inner(*args)

    def code(self, coder: Any, values: Any, ctx: Context) -> Any:
        self._note(ctx)
        return self._inner.code(coder, values, ctx)

    def prepare(self, x: Any, condition: Any, ctx: Context) -> Any:
        self._seen["prepare"] = dict(ctx.knobs)
        return self._inner.prepare(x, condition, ctx)

    def finish(self, prepared: Any, ctx: Context) -> Any:
        self._note(ctx)
        return self._inner.finish(prepared, ctx)


def spied(ready: Codec, **card_knobs: Knob) -> tuple[Codec, dict[str, Any]]:
    seen: dict[str, Any] = {}
    stages = ("analysis", "entropy_model", "synthesis", "post")
    codec = replace(ready.stages, **{name: Spy(getattr(ready.stages, name), seen, name) for name in stages})
    return Codec(codec, replace(ready.card, knobs={**ready.card.knobs, **card_knobs}), ready.distribution), seen


def test_both_ends_see_the_padded_size_and_the_same_coded_knobs(ready):
    care = Knob("care", "encoder", "int", 0, 9, 3)
    codec, seen = spied(ready, care=care)
    data = codec.encode(PICTURE, quality=33.33777, care=7)
    assert seen["prepare"] == {"care": 7}
    assert seen["analysis"] == (32, 48, {"quality": 33.34, "care": 7})
    assert seen["entropy_model"] == (32, 48, {"quality": 33.34})
    seen.clear()
    codec.decode_picture(read(data), deblock=0.25)
    assert seen["entropy_model"] == (32, 48, {"quality": 33.34})
    assert seen["synthesis"] == seen["post"] == (32, 48, {"quality": 33.34, "deblock": 0.25})
    assert coding_context(read(data).header, ready) == Context(32, 48, {"quality": 33.34})


def test_decoder_knobs_take_the_cards_default_and_change_the_picture(ready):
    container = read(ready.encode(PICTURE, quality=5))
    default, half, off = (ready.decode_picture(container, **k).pixels for k in ({}, {"deblock": 0.5}, {"deblock": 0}))
    assert np.array_equal(default, half)
    assert not np.array_equal(default, off)


def test_a_coded_decoder_knob_is_advice_that_the_decoder_may_overrule(ready):
    realism = Knob("realism", "decoder", "float", 0.0, 1.0, 0.5, coded=True)
    codec, seen = spied(ready, realism=realism)
    without = codec.encode(PICTURE)
    advised = codec.encode(PICTURE, realism=0.2)
    for data, given, expected in ((without, {}, 0.5), (advised, {}, 0.2), (advised, {"realism": 0.9}, 0.9)):
        codec.decode_picture(read(data), **given)
        assert seen["synthesis"][2]["realism"] == expected
    assert read(without).header.knobs == {"quality": 50.0}
    assert seen["entropy_model"][2] == {"quality": 50.0, "realism": 0.2}


def test_the_header_says_what_the_picture_and_the_codec_are(ready):
    weighted = replace(ready, stages=replace(ready.stages, weights_hash="12345678" * 8, portable=False))
    header = read(
        weighted.encode(replace(PICTURE, pixels=np.repeat(PICTURE.pixels[..., :1], 3, axis=2), grey=True))
    ).header
    assert (header.codec, header.distribution) == ("pocket", "codectk-pocket")
    assert (header.width, header.height) == (45, 30)
    assert header.weights == b"\x12\x34\x56\x78"
    assert (header.portable, header.grey) == (False, True)
    assert read(ready.encode(PICTURE)).header.weights == bytes(4)


def test_alpha_grey_and_profile_come_back(ready):
    grey = pictures.grey_scene(30, 45)
    picture = Picture(
        np.repeat(grey[..., None], 3, axis=2), alpha=pictures.alpha_ramp(30, 45), grey=True, icc=b"a profile"
    )
    container = read(ready.encode(picture))
    assert [chunk.tag for chunk in container.chunks] == ["ALPH", "ICCP", "LATS"]
    back = ready.decode_picture(container)
    assert back.grey and back.icc == b"a profile"
    assert np.array_equal(back.alpha, picture.alpha)
    assert (back.pixels == back.pixels[..., :1]).all()
    assert np.abs(back.pixels[..., 0].astype(int) - grey).mean() < 5


def test_the_encoding_estimates_what_it_writes(ready):
    encoding = Encoding(ready, PICTURE)
    for quality in (10.0, 50.0, 90.0):
        assert 40 <= len(encoding.file(quality)) - encoding.bits(quality) / 8 <= 50
    assert encoding.rate == 50.0
    assert encoding.file() == encoding.file(50.0) == ready.encode(PICTURE, quality=50)


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [({"quality": 101}, "between 0.0 and 100.0"), ({"sharp": 1}, "quality"), ({"deblock": 1}, "turned by the decoder")],
)
def test_wrong_encoder_knobs_are_refused(ready, knobs, sentence):
    with pytest.raises(UsageError, match=sentence):
        ready.encode(PICTURE, **knobs)


def test_a_profile_too_large_for_a_file_is_a_user_error(ready, monkeypatch):
    monkeypatch.setattr(limits, "MAX_METADATA_BYTES", 100)
    with pytest.raises(InputError, match="101 bytes"):
        ready.encode(replace(PICTURE, icc=bytes(101)))


def test_other_weights_are_refused_before_anything_is_decoded(ready):
    codec, seen = spied(replace(ready, stages=replace(ready.stages, weights_hash="aabbccdd" + "0" * 56)))
    data = ready.encode(PICTURE)
    with pytest.raises(WeightsError, match=r"weights \(none\).*codectk-pocket has weights aabbccdd"):
        codec.decode_picture(read(data))
    assert seen == {}


def test_lost_step_is_refused_before_synthesis(ready):
    codec, seen = spied(ready)
    data = ready.encode(PICTURE)
    for what, forged in corrupt.forged_payloads(data, 20):
        with pytest.raises((ParameterMismatchError, BitstreamError)):
            codec.decode_picture(read(forged))
        assert "synthesis" not in seen, what


def test_other_tables_at_the_decoder_are_refused(ready):
    from codectk_pocket.entropy import ContextModel

    # One unit of 65536, moved from each table's largest frequency to its neighbor: less than a float's drift does.
    arrays = ready.stages.entropy_model.tables.to_arrays()
    frequencies = arrays["frequencies"].copy()
    rows, top = np.arange(len(frequencies)), frequencies.argmax(axis=1)
    frequencies[rows, top] -= 1
    frequencies[rows, np.where(top > 0, top - 1, 1)] += 1
    drifted = ContextModel(Tables(frequencies, arrays["sizes"], arrays["offsets"]))
    other = replace(ready, stages=replace(ready.stages, entropy_model=drifted))
    container = read(ready.encode(PICTURE, quality=80))
    decode_latents(container, ready)
    with pytest.raises(ParameterMismatchError):
        decode_latents(container, other)


def test_a_plugin_that_trips_over_garbage_gives_a_sentence(ready):
    class Clumsy(Spy):
        def code(self, coder: Any, values: Any, ctx: Context) -> Any:
            return {}["oops"]

    container = read(ready.encode(PICTURE))
    clumsy = replace(ready, stages=replace(ready.stages, entropy_model=Clumsy(ready.stages.entropy_model, {}, "")))
    with pytest.raises(BitstreamError, match=r"cannot decode the payload \(KeyError: 'oops'\)") as caught:
        decode_latents(container, clumsy)
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize(
    ("error", "expected", "sentence"),
    [
        (IndexError("too far"), BitstreamError, r"cannot paint what the file says \(IndexError: too far\); .* damaged"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), MemoryError, "allocate"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), MemoryError, "out of memory"),
        (MemoryError("no"), MemoryError, "no"),
        (UsageError("Not so."), UsageError, "Not so"),
    ],
)
def test_a_synthesis_that_trips_gives_a_sentence(ready, error, expected, sentence):
    class Trips:
        needs = ready.stages.synthesis.needs

        def __call__(self, latents: Any, ctx: Context) -> Any:
            raise error

    container = read(ready.encode(PICTURE))
    with pytest.raises(expected, match=sentence):
        replace(ready, stages=replace(ready.stages, synthesis=Trips())).decode_picture(container)


def test_two_payloads_are_refused(ready):
    container = read(ready.encode(PICTURE))
    twice = write(container.header, [*container.chunks, Chunk.of("LATS", b"more")])
    with pytest.raises(BitstreamError, match="2 chunks of latents"):
        ready.decode_picture(read(twice))


@pytest.mark.parametrize(
    ("knobs", "sentence"),
    [({}, "lacks knob 'quality'"), ({"quality": 50.0, "seed": 3}, "carries knob 'seed'")],
)
def test_headers_that_do_not_fit_the_codec_are_refused(ready, knobs, sentence):
    container = read(ready.encode(PICTURE))
    forged = write(replace(container.header, knobs=knobs), container.chunks)
    with pytest.raises(BitstreamError, match=sentence):
        ready.decode_picture(read(forged))


@pytest.mark.parametrize(("painted", "sentence"), [(np.zeros((32, 48)), "shape"), (None, "not finite")])
def test_a_synthesis_that_breaks_its_contract_is_named(ready, painted, sentence):
    class Painter(Spy):
        def __call__(self, latents: Any, ctx: Context) -> Any:
            return np.full((ctx.height, ctx.width, 3), np.nan) if painted is None else painted

    painter = Painter(ready.stages.synthesis, {}, "synthesis")
    broken = replace(ready, stages=replace(ready.stages, synthesis=painter, post=None))
    with pytest.raises(ContractError, match=f"synthesis of codec 'pocket' .*{sentence}"):
        broken.decode_picture(read(ready.encode(PICTURE)))


def test_an_entropy_model_that_needs_an_uncoded_knob_fails_at_the_encoder(ready):
    class Peeks(Spy):
        def code(self, coder: Any, values: Any, ctx: Context) -> Any:
            return self._inner.code(coder, values, Context(ctx.height, ctx.width, {"q": ctx.knobs["care"]}))

    card = replace(ready.card, knobs={**ready.card.knobs, "care": Knob("care", "encoder", "int", 0, 9, 3)})
    peeking = replace(ready.stages, entropy_model=Peeks(ready.stages.entropy_model, {}, ""))
    with pytest.raises(KeyError, match="care"):
        Codec(peeking, card, ready.distribution).encode(PICTURE)
