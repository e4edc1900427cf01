"""A codec comes with its own weights, with those a person names, or with those a file names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codectk import api
from codectk.base.errors import ContractError, UsageError, WeightsAbsentError, WeightsError
from codectk.bitstream.reader import read
from codectk.graph import wire
from codectk.pipeline.build import build_codec
from codectk.pipeline.load import forget, load, load_for
from codectk.plugins import manager
from codectk.testing import corrupt, pictures
from codectk.weights import store
from codectk.weights.store import sha256_of

SCENE = pictures.scene(40, 56)


@pytest.fixture
def others(weighted):
    """Weights for the codec in the store."""
    return store.save({"x": np.zeros(1, np.float32)}, {"codec": "weighted"}, "others")


def test_own_weights(weighted):
    data = api.encode(SCENE, "weighted")
    assert api.info(data).weights_hash == "ab" * 4
    assert api.info(data).knobs == {"quality": 50.0, "seed": 7.0}
    assert api.decode(data).size == (56, 40)


def test_others_are_found_by_name_and_by_the_file(others):
    own, data = api.encode(SCENE, "weighted"), api.encode(SCENE, "weighted", weights="others")
    assert api.info(data).weights_hash == sha256_of(others)[:8]
    assert np.array_equal(np.asarray(api.decode(data)), np.asarray(api.decode(own)))
    ready = load_for(read(data).header)
    assert ready.stages.weights_hash == sha256_of(others)
    assert load_for(read(data).header).stages is ready.stages, "loaded twice"


def test_knobs_that_the_weights_do_not_have(others):
    ready = load("weighted", weights="others")
    assert set(ready.card.knobs) == {"quality"} and set(load("weighted").card.knobs) == {"quality", "seed"}
    data = api.encode(SCENE, "weighted", weights="others")
    assert api.info(data).knobs == {"quality": 50.0}
    with pytest.raises(UsageError, match="no knob 'seed' with the weights in use"):
        api.encode(SCENE, "weighted", weights="others", seed=3)
    assert api.info(api.encode(SCENE, "weighted", seed=3)).knobs["seed"] == 3


def test_own_weights_need_not_be_there_for_a_file_of_others(others, monkeypatch):
    data, own = api.encode(SCENE, "weighted", weights="others"), api.encode(SCENE, "weighted")
    forget()
    monkeypatch.setenv("WEIGHTED_LOST", "1")
    assert api.decode(data).size == (56, 40)
    with pytest.raises(WeightsError, match="abababab"):
        api.decode(own)
    with pytest.raises(WeightsError, match="lost its weights"):
        api.decode(corrupt.with_weights(own, bytes(4)))


FAR = """
from codectk.base.types import Context
from codectk.spec.light import Light

LIGHT = Light(lambda *_: None, (Context(64, 64, {}), Context(64, 128, {})))
"""

FAR_WEIGHTS = f"""
[[weights]]
name = "far-small"
file = "far-small.safetensors"
sha256 = "{"ab" * 32}"
bytes = 20225288
licence = "CC0-1.0"
source = "a test"
package = "far-away==1.0"
package_sha256 = "{"cd" * 32}"
"""


@pytest.mark.parametrize("engine", ["onnx", "auto"])
def test_weights_to_be_pulled_are_told_with_the_codec(site, engine):
    places = 'network = "fake_far.plugin:build"\npreset = "far-small"\nlight = "fake_far.plugin:LIGHT"\n'
    package = site.add("far", FAR, card=site.card.replace("stride = 8", f"stride = 8\n{places}"))
    (site.path / package / "weights.toml").write_text(FAR_WEIGHTS)
    with pytest.raises(
        WeightsAbsentError, match=r"^far needs the weights far-small \(20 MB\).*weights pull far'"
    ) as told:
        load("far", engine=engine)
    assert told.value.codec == "far"


def test_missing_weights_are_named(others):
    data = api.encode(SCENE, "weighted", weights="others")
    with pytest.raises(WeightsError, match="no weights 'nosuch' for codec 'weighted'; it has others"):
        api.encode(SCENE, "weighted", weights="nosuch")
    digest = sha256_of(others)
    others.unlink()
    forget()
    with pytest.raises(
        WeightsError, match=rf"sha256 {digest[:8]}\.\.\. that the file names are missing.*weights import"
    ):
        api.decode(data)
    with pytest.raises(WeightsError, match=r"\(none\).* has weights abababab"):
        api.decode(corrupt.with_weights(data, bytes(4)))


def test_a_codec_that_ignores_weights_is_noticed(pocket, weighted):
    store.save({"x": np.zeros(1, np.float32)}, {"codec": "pocket"}, "for-pocket")
    with pytest.raises(UsageError, match=r"'pocket' .* cannot use the weights for-pocket .*only its own"):
        api.encode(SCENE, "pocket", weights="for-pocket")


def test_leaving_out_a_knob_that_is_not_there(weighted):
    card, record = manager.find_codec("weighted")
    codec = build_codec(card, record)
    with pytest.raises(ContractError, match="leaves out knob 'mood'"):
        wire.check_card(replace(codec, without_knobs=frozenset({"mood"})), card)
