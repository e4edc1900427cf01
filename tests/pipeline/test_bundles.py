"""A bundle codes like a preset; files name it, and whoever lacks it is told what to get."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from codectk import api
from codectk.base.errors import InputError, MismatchError, PluginMissingError, StoreWarning, UsageError, WeightsError
from codectk.bitstream.reader import read
from codectk.pipeline import bundles
from codectk.pipeline.load import card_for, card_of, forget, load, load_for
from codectk.testing import pictures
from codectk.weights import store
from codectk.weights.bundle import write_bundle
from codectk.weights.bundle_card import BundleCard, NeededPlugin
from codectk.weights.locate import add_bundle
from codectk.weights.tensors import save_tensors

SCENE = pictures.scene(40, 56)
RECIPE = 'title = "A toy"\n\n[codec]\nname = "weighted"\n'
WEIGHTED = NeededPlugin("weighted", "codectk-weighted", "1.0")


@pytest.fixture
def make(weighted, tmp_path):
    """make(name="crisp", recipe=..., codec=..., **changes of the card) -> a bundle outside of the store."""

    def make(name="crisp", recipe=RECIPE, codec="weighted", value=0, **changes):
        path = tmp_path / "weights.safetensors"
        save_tensors(path, {"x": np.full(1, value, np.float32)}, {"codec": codec})
        card = replace(BundleCard(name, "Crisp, a toy", "CC0-1.0", (WEIGHTED,)), **changes)
        return write_bundle(tmp_path / f"{name}.ctkb", card, recipe, path)

    yield make
    forget()


def test_a_file_names_its_bundle(make):
    bundle = make()
    data = api.encode(SCENE, str(bundle.path))
    info = api.info(data)
    assert (info.codec, info.weights_hash, info.needs) == ("crisp", bundle.sha256[:8], ("codectk-weighted",))
    assert info.install == "pip install codectk-weighted"
    plain = api.encode(SCENE, "weighted")
    header = read(data).header
    # A number, a name and its length, one plugin as text, in place of one codec as text.
    assert len(data) - info.overhead_bytes == len(plain) - api.info(plain).overhead_bytes
    assert (header.codec, header.distribution, header.weights.hex()) == ("crisp", "", bundle.sha256[:8])


def test_what_was_used_to_encode_decodes_here(make):
    """The bundle comes into the store with its first file, and that is said once."""
    bundle = make()
    with pytest.warns(StoreWarning, match=r"crisp \(\w{8}\) is in the weights store now") as told:
        data = api.encode(SCENE, str(bundle.path))
    assert len(told) == 1 and str(store.store_folder()) in str(told[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert api.encode(SCENE, str(bundle.path)) == data
    bundle.path.unlink()
    assert api.decode(data).size == (56, 40)


def test_a_store_that_cannot_be_written_is_a_remark(make, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "file"))
    bundle = make()
    with pytest.warns(StoreWarning, match="its files need 'codectk decode --weights' here"):
        data = api.encode(SCENE, str(bundle.path))
    assert api.decode(data, weights=bundle.path).size == (56, 40)


def test_decoding_takes_the_bundle_of_a_path(make, tmp_path, monkeypatch):
    bundle, other = make(), make("other", value=1)
    data = api.encode(SCENE, str(bundle.path))
    expected = np.asarray(api.decode(data))
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "elsewhere"))
    forget()
    for where in (bundle.path, str(bundle.path)):
        np.testing.assert_array_equal(np.asarray(api.decode(data, weights=where)), expected)
    assert store.stored(".ctkb") == ()  # decoding leaves no trace
    with pytest.raises(WeightsError, match=rf"bundle 'crisp' \(sha256 {bundle.sha256[:8]}\.\.\.\), and .*other"):
        api.decode(data, weights=other.path)
    with pytest.raises(UsageError, match="is no bundle"):
        api.decode(data, weights=tmp_path / "weights.safetensors")
    with pytest.raises(UsageError, match="is a bundle, which is a codec of its own"):
        api.encode(SCENE, "weighted", weights=bundle.path)


def test_weights_of_a_file_are_like_those_of_the_store(make, weighted, tmp_path, monkeypatch):
    path = tmp_path / "mine.safetensors"
    save_tensors(path, {"x": np.full(1, 7, np.float32)}, {"codec": "weighted"})
    with pytest.warns(StoreWarning, match=r"mine \(\w{8}\) is in the weights store now"):
        data = api.encode(SCENE, "weighted", weights=str(path))
    assert api.encode(SCENE, "weighted", weights="mine") == data and api.decode(data).size == (56, 40)
    assert load("weighted", weights=path).stages.weights_hash == store.sha256_of(path)
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "elsewhere"))
    forget()
    with pytest.raises(WeightsError, match="are missing"):
        api.decode(data)
    assert api.decode(data, weights=str(path)).size == (56, 40)
    save_tensors(path, {"x": np.full(1, 8, np.float32)}, {"codec": "weighted"})
    with pytest.raises(WeightsError):
        api.decode(data, weights=path)


def test_decoding_finds_it_in_the_store(make, tmp_path, monkeypatch):
    bundle = make()
    data = api.encode(SCENE, str(bundle.path))
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "elsewhere"))
    forget()
    with pytest.raises(WeightsError) as caught:
        api.decode(data)
    assert f"bundle 'crisp' (sha256 {bundle.sha256[:8]}...)" in str(caught.value)
    assert str(caught.value).endswith("codectk weights import crisp.ctkb")
    add_bundle(bundle.path)
    decoded = np.asarray(api.decode(data))
    np.testing.assert_array_equal(decoded, np.asarray(api.decode(api.encode(SCENE, "weighted"))))
    assert card_for(read(data).header).name == "crisp"


def test_encoded_in_one_store_and_decoded_in_another(make, tmp_path, monkeypatch):
    bundle = make()
    add_bundle(bundle.path)
    data = api.encode(SCENE, "crisp")
    bundle_here = bundle.path.read_bytes()
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "elsewhere"))
    forget()
    with pytest.raises(WeightsError, match="not in the weights store"):
        api.decode(data)
    (tmp_path / "sent.ctkb").write_bytes(bundle_here)
    add_bundle(tmp_path / "sent.ctkb")
    assert api.decode(data).size == (56, 40)
    assert api.encode(SCENE, "crisp") == data


def test_every_way_to_name_it(make):
    bundle = make()
    kept = add_bundle(bundle.path)
    files = {api.encode(SCENE, said) for said in (str(bundle.path), "crisp", kept.stem, bundle.sha256[:8], str(kept))}
    assert len(files) == 1
    ready = load("crisp")
    assert (ready.stages.id, ready.stages.weights_hash) == ("crisp", bundle.sha256)
    assert (ready.card.name, ready.card.summary) == ("crisp", "Crisp, a toy")
    assert (ready.distribution, ready.needs) == ("codectk-weighted", ("codectk-weighted",))
    assert load("crisp").stages is ready.stages, "built twice"
    assert card_of("crisp") == card_of(str(bundle.path))
    with pytest.raises(InputError, match=r"no bundle nosuch\.ctkb"):
        load("nosuch.ctkb")
    for call in (load, card_of):
        with pytest.raises(PluginMissingError, match="No plugin offers codec 'crips'"):
            call("crips")


def test_a_codec_of_a_plugin_goes_first(make):
    bundle = make("weighted")
    add_bundle(bundle.path)
    assert load("weighted").stages.weights_hash == "ab" * 32
    data = api.encode(SCENE, str(bundle.path))
    # The file says that it was a bundle, so nothing is mixed up.
    assert load_for(read(data).header).stages.weights_hash == bundle.sha256
    assert load_for(read(api.encode(SCENE, "weighted")).header).stages.weights_hash == "ab" * 32


def test_a_file_of_a_plugin_is_never_decoded_with_a_bundle(make, monkeypatch):
    data = api.encode(SCENE, "weighted")
    add_bundle(make("weighted").path)
    monkeypatch.setenv("CODECTK_PLUGINS", "pocket")
    with pytest.raises(PluginMissingError, match="CODECTK_PLUGINS leaves its plugin out"):
        api.decode(data)


def test_knobs_are_those_of_the_codec_with_these_weights(make):
    bundle = make()
    assert set(load(str(bundle.path)).card.knobs) == {"quality"}
    low, high = (api.encode(SCENE, str(bundle.path), quality=q) for q in (5, 95))
    assert len(low) < len(high)
    with pytest.raises(UsageError, match="no knob 'seed' with the weights in use"):
        api.encode(SCENE, str(bundle.path), seed=3)
    with pytest.raises(UsageError, match=r"Codec 'crisp' has no knob 'mood'"):
        api.encode(SCENE, str(bundle.path), mood=3)
    with pytest.raises(UsageError, match="weights of its own"):
        api.encode(SCENE, str(bundle.path), weights="others")
    target = api.encode(SCENE, str(bundle.path), target_bytes=(len(low) + len(high)) // 2, strict=True)
    assert len(low) < len(target) <= (len(low) + len(high)) // 2


def test_the_recipe_may_set_defaults_of_knobs(make):
    bundle = make(recipe=RECIPE + "\n[knobs]\nquality = 20\n")
    assert card_of(str(bundle.path)).knobs["quality"].default == 20
    assert api.info(api.encode(SCENE, str(bundle.path))).knobs == {"quality": 20.0}


def test_a_ready_bundle_decodes_without_the_store(make):
    ready = load(str(make().path))
    data = api.encode(SCENE, str(make().path))
    assert ready.decode_picture(data).width == 56
    other = load(str(make("other", value=1).path))
    with pytest.raises(MismatchError, match="made by codec 'crisp', not by 'other'"):
        other.decode_picture(data)


def test_missing_plugins_are_named(make):
    others = (NeededPlugin("nosuch", "codectk-nosuch", "1.0"), NeededPlugin("more", "More_Of_It", "2.0"))
    bundle = make(plugins=(WEIGHTED, *others))
    for call in (load, card_of):
        with pytest.raises(PluginMissingError) as caught:
            call(str(bundle.path))
        assert "needs plugins 'nosuch', 'more', not installed here" in str(caught.value)
        assert str(caught.value).endswith("pip install codectk-nosuch More_Of_It")
    # A file of it, on a machine that has neither: everything in one sentence.
    header = replace(read(api.encode(SCENE, "weighted")).header, codec="crisp", distribution="", weights=b"abcd")
    header = replace(header, needs=("codectk-weighted", "codectk-nosuch"))
    with pytest.raises(WeightsError) as caught:
        load_for(header)
    assert "codectk weights import crisp.ctkb and install what it needs with: pip install codectk-nosuch" in str(
        caught.value
    )


def test_plugins_left_out_by_the_environment(make, monkeypatch):
    bundle = make()
    monkeypatch.setenv("CODECTK_PLUGINS", "pocket")
    with pytest.raises(PluginMissingError, match="'weighted', which CODECTK_PLUGINS leaves out"):
        load(str(bundle.path))


@pytest.mark.parametrize(
    ("recipe", "error", "words"),
    [
        ('weights = "../../etc/passwd"\n' + RECIPE, WeightsError, "leave weights and options"),
        (RECIPE + 'options = { config = "full" }\n', WeightsError, "leave weights and options"),
        ('title = "A toy"\n', UsageError, r"crisp\.ctkb, recipe\.toml: the recipe lacks \[analysis\]"),
        ("[codec]\nname = 3\n", UsageError, r"recipe\.toml:\d: \[codec\] needs the name"),
        ('[codec]\nname = "pocket"\n', WeightsError, "uses plugin 'pocket', which its card does not list"),
    ],
)
def test_recipes_that_are_not_for_bundles(make, recipe, error, words):
    bundle = make(recipe=recipe)
    for call in (load, card_of):
        with pytest.raises(error, match=words):
            call(str(bundle.path))


def test_weights_of_another_codec(make):
    with pytest.raises(WeightsError, match=r"Bundle crisp \(.*are for codec 'pocket'; codec 'weighted' was asked for"):
        load(str(make(codec="pocket").path))


def test_another_version_of_the_plugin_is_mentioned_when_it_fails(make):
    old = replace(WEIGHTED, version="0.9")
    assert load(str(make(plugins=(old,)).path)).stages.id == "crisp"
    with pytest.raises(WeightsError, match=r"It was made with codectk-weighted 0\.9 \(here 1\.0\)\."):
        load(str(make(plugins=(old,), codec="pocket").path))


def test_parts_are_known_without_plugins(make):
    assert bundles.parts_of(make()) == [("codec", "weighted")]
    graph = (
        '[synthesis]\nname = "b.two"\n[analysis]\nname = "a.one"\n[entropy_model]\nname = "nosuch.model"\n'
        '[adapters.wide]\nname = "core.channels"\n[adapters."\\u001b[31m"]\nname = "x.y"\n[post]\nname = "a\\nb"\n'
    )
    assert bundles.parts_of(make(recipe=graph)) == [
        ("analysis", "a.one"),
        ("entropy_model", "nosuch.model"),
        ("synthesis", "b.two"),
        ("adapter wide", "core.channels"),
    ]
    assert bundles.parts_of(make(recipe="codec = 3\nadapters = 4\n[analysis]\nname = 5\n")) == []


def test_the_stored_weights_of_a_plugin_are_another_thing(make):
    """A bundle and a weights file of the same content do not stand in for each other."""
    store.save({"x": np.zeros(1, np.float32)}, {"codec": "weighted"}, "crisp")
    add_bundle(make().path)
    plain = api.encode(SCENE, "weighted", weights="crisp")
    bundled = api.encode(SCENE, "crisp")
    assert api.info(plain).codec == "weighted" and api.info(bundled).codec == "crisp"
    assert np.array_equal(np.asarray(api.decode(plain)), np.asarray(api.decode(bundled)))
    forget()
