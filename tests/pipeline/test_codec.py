"""The handle: one object for all that can be done with a codec."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import codectk
from codectk import api
from codectk.base.types import Context
from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import read
from codectk.graph import wire
from codectk.pipeline.load import load
from codectk.spec.capabilities import Refinement
from codectk.testing import pictures

SCENE = pictures.scene(40, 56)
OTHERS = [SCENE, SCENE[::-1].copy(), pictures.scene(40, 56)[:, ::-1].copy(), pictures.scene(33, 47)]


@pytest.fixture
def codec(pocket) -> codectk.Codec:
    return codectk.load("pocket")


def test_it_does_what_the_functions_do(codec):
    data = codec.encode(SCENE, quality=60)
    assert data == codectk.encode(SCENE, "pocket", quality=60)
    assert np.array_equal(np.asarray(codec.decode(data)), np.asarray(codectk.decode(data)))
    assert codec.encode(SCENE, target_bytes=900, strict=True) == codectk.encode(
        SCENE, "pocket", target_bytes=900, strict=True
    )
    assert (codec.name, codec.distribution, codec.device) == ("pocket", "codectk-pocket", "cpu")
    assert codec.card.rate_knob is not None


def test_it_is_kept_until_it_is_closed(codec):
    assert codectk.load("pocket") is codec
    with codectk.load("pocket") as same:
        assert same is codec
    other = codectk.load("pocket")
    assert other is not codec
    assert codec.encode(SCENE) == other.encode(SCENE), "a closed one serves those who have it"


def test_several_pictures_give_the_files_of_each(codec):
    files = codec.encode(OTHERS, quality=30)
    assert files == [codec.encode(picture, quality=30) for picture in OTHERS]
    for one, image in zip(files, codec.decode(files), strict=True):
        assert np.array_equal(np.asarray(image), np.asarray(codec.decode(one)))
    assert codectk.encode(OTHERS, "pocket", quality=30) == files


def test_a_batch_goes_in_and_out(codec):
    pixels = np.stack(OTHERS[:3])
    batch = np.ascontiguousarray(pixels.transpose(0, 3, 1, 2)).astype(np.float32) / np.float32(255)
    files = codec.encode(batch, quality=80)
    assert files == codec.encode(list(pixels), quality=80)
    back = codec.decode_tensor(files)
    assert back.shape == (3, 3, 40, 56) and back.dtype == np.float32
    for one, data in zip(back, files, strict=True):
        levels = np.rint(one.transpose(1, 2, 0) * 255).astype(np.uint8)
        assert np.array_equal(levels, np.asarray(codec.decode(data)))
    with pytest.raises(codectk.UsageError, match="of one size"):
        codec.decode_tensor([files[0], codec.encode(OTHERS[3])])


@pytest.mark.parametrize(
    ("batch", "sentence"),
    [
        (np.zeros((2, 4, 8, 8), np.float32), "floating"),
        (np.zeros((2, 3, 8, 8), np.uint8), "floating"),
        (np.full((1, 3, 8, 8), 255.0), r"values in \[0, 1\]"),
        (np.full((1, 3, 8, 8), np.nan), r"values in \[0, 1\]"),
    ],
)
def test_other_batches_are_refused(codec, batch, sentence):
    with pytest.raises(codectk.InputError, match=sentence):
        codec.encode(batch)


def test_bits_are_those_of_the_file(codec):
    bits, data = codec.bits(SCENE, quality=70), codec.encode(SCENE, quality=70)
    assert bits.total == codec.prepare(SCENE, quality=70).bits() == sum(bits.layers)
    (payload,) = read(data).payloads(LATENTS)
    assert abs(len(payload) * 8 - bits.total) < 64
    assert sum(plane.sum() for plane in bits.maps.values()) + bits.rest == pytest.approx(bits.total)
    half = codec.bits(np.concatenate([SCENE, np.full_like(SCENE, 128)], axis=1), quality=70)
    stride, plane = max(half.maps.items(), key=lambda item: item[1].sum())
    busy = plane[:, : 56 // stride].mean()
    assert busy > 5 * plane[:, 56 // stride + 2 :].mean(), "a grey half takes as much as a picture"


def test_latents_of_a_picture_and_of_its_file(codec, tmp_path):
    data = codec.encode(SCENE, quality=70)
    (tmp_path / "scene.ctk").write_bytes(data)
    seen = codec.latents(SCENE, quality=70)
    for source in (data, tmp_path / "scene.ctk", str(tmp_path / "scene.ctk")):
        decoded = codec.latents(source)
        assert decoded.keys() == seen.keys()
        assert all(isinstance(array, np.ndarray) and np.array_equal(array, seen[k]) for k, array in decoded.items())


def test_files_of_others_are_refused_by_name(codec, onion):
    data = api.encode(pictures.scene(64, 64), "onion", aligned=True)
    for call in (codec.decode, codec.latents, lambda one: codec.decode_tensor([one])):
        with pytest.raises(codectk.MismatchError, match="made by codec 'onion', not by 'pocket'"):
            call(data)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: codectk.load(None), "named by a text"),  # type: ignore[arg-type]
        (lambda: codectk.load("pocket", device=3), "device is named by a text"),  # type: ignore[arg-type]
        (lambda: codectk.load("pocket", engine="abacus"), "no engine 'abacus'; engines are auto, torch"),
        (lambda: codectk.load("pocket").encode(SCENE, target_bpp="0.2"), "target_bpp must be a positive number"),
        (lambda: codectk.load("pocket").encode(SCENE, target_bytes=True), "target_bytes must be a positive number"),
        (lambda: codectk.load("pocket").encode(SCENE, quality=None), "must be a number"),
        (lambda: codectk.load("pocket").network, "no network"),
        (lambda: codectk.load("pocket").forward(np.zeros((1, 3, 16, 16))), "no gradients"),
    ],
)
def test_nonsense_is_refused_with_a_sentence(pocket, call: Callable[[], Any], sentence):
    with pytest.raises(codectk.UsageError, match=sentence):
        call()


def test_threads_share_it(pocket):
    codectk.load("pocket").close()
    found: list[Any] = [None] * 6

    def work(number: int) -> None:
        codec = codectk.load("pocket")
        data = codec.encode(OTHERS[number % 4], quality=50)
        found[number] = (codec, data, np.asarray(codec.decode(data)))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(codec) for codec, _, _ in found}) == 1, "built more than once"
    assert [data for _, data, _ in found] == [found[0][0].encode(OTHERS[n % 4], quality=50) for n in range(6)]


def test_it_travels_to_other_processes(codec):
    assert pickle.loads(pickle.dumps(codec)) is codec
    with pytest.raises(codectk.UsageError, match="not made by load"):
        pickle.dumps(replace(codec, origin=None))
    context = multiprocessing.get_context("fork")
    with context.Pool(2) as pool:
        assert pool.map(codec.encode, OTHERS) == [codec.encode(picture) for picture in OTHERS]


def test_what_stages_can_do_is_found_once(grain, onion, pocket):
    can = {name: load(name).stages.can for name in ("grain", "onion", "pocket")}
    assert can["pocket"].split is load("pocket").stages.analysis
    assert (can["pocket"].judge, can["pocket"].compare, can["pocket"].align, can["pocket"].layer) == (None,) * 3 + (
        False,
    )
    assert can["onion"].judge is not None and can["onion"].layer and can["onion"].align is not None
    assert can["grain"].compare is not None


@pytest.mark.parametrize(
    ("name", "meant"),
    [("outsid", "outside"), ("distances", "distance"), ("prepair", None), ("refinment", "refinement")],
)
def test_near_misses_are_refused(codec, name, meant):
    stages = codec.stages
    analysis = type("Slip", (type(stages.analysis),), {name: lambda self, *args: None})()
    slipped = replace(stages, analysis=analysis)
    if meant is None:  # prepare is there, so prepair is somebody's own helper
        wire.check(slipped)
        return
    with pytest.raises(codectk.ContractError, match=f"analysis of codec 'pocket' has '{name}'.*mean '{meant}'"):
        wire.check(slipped)


def test_a_refinement_names_what_the_analysis_makes(codec):
    made = codec.stages.analysis.produces[0].name

    def refining(refinement: object) -> Any:
        kind = type("Refining", (type(codec.stages.analysis),), {"refinement": refinement})
        return replace(codec.stages, analysis=kind())

    good = refining(Refinement((made,), {"mse": 1.0}))
    wire.check(good)
    assert good.can.refine is good.analysis.refinement
    with pytest.raises(codectk.ContractError, match=f"moves 'nothing', but its analysis makes .*{made}"):
        wire.check(refining(Refinement(("nothing",), {"mse": 1.0})))
    with pytest.raises(codectk.ContractError, match="refinement that is a str"):
        wire.check(refining("y"))


def test_a_backend_has_all_that_the_handle_needs(codec):
    class Bare:
        from_pixels = to_pixels = staticmethod(lambda x: x)

    with pytest.raises(codectk.ContractError, match="backend of codec 'pocket' has no method to_numpy"):
        wire.check(replace(codec.stages, backend=Bare()))


def test_the_public_errors_are_exported(codec, tmp_path):
    with pytest.raises(codectk.CodectkError):
        codectk.decode(tmp_path / "nowhere.ctk")
    assert issubclass(codectk.WeightsAbsentError, codectk.WeightsError)
    assert codectk.keep_freed_memory.__module__ == "codectk.base.memory"


@pytest.mark.parametrize("name", ["segpic", "egic"])
def test_a_codec_of_torch(name):
    pytest.importorskip(f"codectk_{name}")
    torch = pytest.importorskip("torch")
    codec = codectk.load(name)
    assert isinstance(codec.network, torch.nn.Module) and not codec.network.training
    several = [pictures.scene(64, 96), pictures.scene(64, 96)[::-1].copy()]
    files = codec.encode(several, quality=30)
    x = torch.from_numpy(np.stack(several)).permute(0, 3, 1, 2) / 255.0
    assert codec.encode(x, quality=30) == files == [codec.encode(one, quality=30) for one in several]
    back = codec.decode_tensor(files)
    assert isinstance(back, torch.Tensor) and back.shape == x.shape and not back.requires_grad
    assert 10 * torch.log10(1 / (back - x).square().mean()) > 20

    padded = torch.nn.functional.pad(x, (0, 32, 0, 64), mode="replicate")[..., :128, :128].requires_grad_()
    made = codec.forward(padded, quality=30)
    (made.bits.sum() / padded.numel() + (made.x - padded).square().mean()).backward()
    assert made.x.shape == padded.shape and made.bits.shape == (2,)
    assert padded.grad is not None and padded.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in codec.network.parameters()), "the shared weights were unlocked"
    with pytest.raises(codectk.UsageError, match="no knob 'mood'"):
        codec.forward(padded, mood=3)
    assert set(codec.latents(files[0])) == {spec.name for spec in codec.stages.entropy_model.gives}
    assert codec.bits(several[0], quality=30).total / 8 == pytest.approx(len(files[0]), abs=64)
    with pytest.raises(codectk.InputError, match="'meta'"):
        codectk.load(name, device="meta")


def test_pictures_are_read_before_a_codec_is_loaded(monkeypatch, tmp_path):
    monkeypatch.setattr(api, "load", lambda *args, **kwargs: pytest.fail("the codec was loaded"))
    with pytest.raises(codectk.InputError):
        codectk.encode(tmp_path / "nowhere.png")


def test_the_context_of_a_program_is_what_files_carry(codec):
    seen: list[Context] = []
    model = codec.stages.entropy_model

    class Watched:
        needs, gives = model.needs, model.gives

        def code(self, coder, values, ctx):
            seen.append(ctx)
            return model.code(coder, values, ctx)

    watched = replace(codec, stages=replace(codec.stages, entropy_model=Watched()))
    watched.decode(watched.encode(SCENE, quality=12))
    watched.latents(SCENE, quality=12)
    assert {tuple(ctx.knobs.items()) for ctx in seen} == {(("quality", 12.0),)}
