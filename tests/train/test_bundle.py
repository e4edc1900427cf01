"""From a checkpoint to a bundle that codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from codectk import api
from codectk.base.errors import InputError, PluginMissingError, UsageError, WeightsError
from codectk.base.toml import to_toml
from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import read
from codectk.cli import main
from codectk.graph.recipe import parse_graph
from codectk.nn.hybrid import build
from codectk.nn.storage import to_arrays
from codectk.pipeline import bundles
from codectk.pipeline.load import forget, load
from codectk.train.exporting import export, export_bundle
from codectk.train.loop import CHECKPOINT, train
from codectk.train.settings import load_recipe
from codectk.weights.bundle import read_bundle
from codectk.weights.store import sha256_of
from codectk.weights.tensors import load_tensors, read_metadata, save_tensors

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def two_steps(start, tmp_path_factory) -> Path:
    """The checkpoint of a run of two steps."""
    folder = tmp_path_factory.mktemp("two-steps")
    assert start(folder, "optim.steps=2", "optim.warmup=1", "optim.decay=1").step == 2
    return folder / CHECKPOINT


@pytest.fixture
def picture(pictures):
    with Image.open(pictures / "0.png") as image:
        yield image.convert("RGB").crop((0, 0, 64, 64))
    forget()


def test_it_codes_like_the_weights_in_it(two_steps, picture, tmp_path, monkeypatch):
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    bundle = export_bundle(two_steps, tmp_path / "Tiny.ctkb", licence="CC0-1.0", data="six pictures")
    assert (bundle.card.name, bundle.card.steps, bundle.card.data) == ("tiny", 2, "six pictures")
    assert bundle.card.distributions == ("codectk-segpic",) and bundle.metadata()["codec"] == "segpic"
    assert bundle.card.title == "segpic, 2 steps of training"
    data = api.encode(picture, str(bundle.path), quality=60)
    info = api.info(data)
    assert (info.codec, info.weights_hash, info.needs) == ("tiny", bundle.sha256[:8], ("codectk-segpic",))
    decoded = np.asarray(api.decode(data))
    export(two_steps, tmp_path / "plain.safetensors")
    with bundle.unpacked() as weights:
        assert weights.read_bytes() == (tmp_path / "plain.safetensors").read_bytes()
    from codectk.bitstream.reader import read
    from codectk.picture.read import read_picture
    from codectk.pipeline.load import load

    ready = load("segpic", weights=tmp_path / "plain.safetensors")
    plain = ready.encode(read_picture(picture), quality=60)
    assert [c.payload for c in read(plain).chunks] == [c.payload for c in read(data).chunks]
    np.testing.assert_array_equal(ready.decode_picture(read(plain)).pixels, decoded)


def test_equal_bytes_from_every_source(two_steps, tmp_path):
    words = {"licence": "CC0-1.0", "title": "Tiny"}
    first = export_bundle(two_steps, tmp_path / "tiny.ctkb", **words)
    export(two_steps, tmp_path / "tiny.safetensors")
    (tmp_path / "more").mkdir()
    for source in (two_steps, tmp_path / "tiny.safetensors", first.path):
        assert export_bundle(source, tmp_path / "more" / "tiny.ctkb", **words).sha256 == first.sha256
    # What a bundle says already need not be said again, and may be said better.
    assert export_bundle(first.path, tmp_path / "more" / "tiny.ctkb").sha256 == first.sha256
    better = export_bundle(first.path, tmp_path / "more" / "tiny.ctkb", title="Tiny, but mine", data="six pictures")
    assert (better.card.title, better.card.licence, better.card.data) == ("Tiny, but mine", "CC0-1.0", "six pictures")
    assert 'title = "Tiny, but mine"' in better.recipe
    assert export_bundle(two_steps, tmp_path / "raw.ctkb", raw=True, **words).sha256 != first.sha256


def _found(path: Path, digest: str, **changes) -> Path:
    point = {"setting": "quality=25", "bpp": 0.25, "psnr": 30.123456, "ms_ssim": None, "scores": {"LPIPS (Alex)": 0.1}}
    found = {
        "format": "codectk-eval/1",
        "codecs": {"mine": {"weights_sha256": digest}, "other": {"weights_sha256": "ab" * 32}, "jpeg": {}},
        "curves": {name: {"points": [point | {"setting": name}]} for name in ("mine", "other", "jpeg")},
        "pictures": {"known": None, "names": ["a", "b"]},
    }
    path.write_text(json.dumps(found | changes))
    return path


def test_results_are_those_of_these_weights(two_steps, tmp_path):
    bundle = export_bundle(two_steps, tmp_path / "tiny.ctkb", licence="CC0-1.0")
    with bundle.unpacked() as weights:
        inner = sha256_of(weights)
    for digest in (bundle.sha256, inner):
        results = _found(tmp_path / "found.json", digest)
        (result,) = export_bundle(bundle.path, tmp_path / "measured.ctkb", results=results).card.results
        assert result.on == "2 pictures, mine at mine"
        assert result.values == {"bpp": 0.25, "psnr": 30.12346, "LPIPS (Alex)": 0.1}
    kept = export_bundle(tmp_path / "measured.ctkb", tmp_path / "again.ctkb").card.results
    assert kept == (result,)
    with pytest.raises(WeightsError, match="no results of these weights"):
        export_bundle(bundle.path, tmp_path / "no.ctkb", results=_found(tmp_path / "found.json", "cd" * 32))
    for broken in ({"format": "else"}, {"curves": 3}, {"codecs": []}):
        with pytest.raises(InputError, match="not what codectk eval --json writes"):
            export_bundle(bundle.path, tmp_path / "no.ctkb", results=_found(tmp_path / "found.json", inner, **broken))
    with pytest.raises(InputError, match="cannot be read"):
        export_bundle(bundle.path, tmp_path / "no.ctkb", results=tmp_path / "nowhere.json")
    assert not (tmp_path / "no.ctkb").exists()


def test_what_cannot_become_a_bundle(two_steps, tmp_path):
    path = tmp_path / "no.ctkb"
    save_tensors(tmp_path / "mute.safetensors", {"x": np.zeros(1)})
    with pytest.raises(WeightsError, match="does not say which codec or recipe"):
        export_bundle(tmp_path / "mute.safetensors", path, licence="CC0-1.0")
    with pytest.raises(UsageError, match="only a checkpoint"):
        export_bundle(tmp_path / "mute.safetensors", path, raw=True, licence="CC0-1.0")
    for name in ("a b.ctkb", "segpic.ctkb", "-x.ctkb"):
        with pytest.raises(WeightsError):
            export_bundle(two_steps, tmp_path / name, licence="CC0-1.0")
    assert not list(tmp_path.glob("*.ctkb"))


@pytest.fixture(scope="module")
def hybrid(recipe, tmp_path_factory) -> Path:
    """Weights of a recipe of two plugins, as `export` writes them."""
    pytest.importorskip("codectk_egic", reason="the hybrid has its realism knob")
    options = dict(recipe().codec.options)
    parts = {
        "conditioning": "segpic.regions", "analysis": "segpic.rat_analysis", "entropy_model": "segpic.charm_lrp",
        "synthesis": "segpic.rat_synthesis",
    }  # fmt: skip
    slots = {slot: {"name": name, "options": options} for slot, name in parts.items()}
    post = {"name": "egic.orp", "options": {"head": "copy"}}
    graph = parse_graph(to_toml({"title": "Two plugins", **slots, "post": post, "knobs": {"realism": 0.5}}), "two.toml")
    torch.manual_seed(1)
    path = tmp_path_factory.mktemp("hybrid") / "two.safetensors"
    save_tensors(path, to_arrays(build(graph)), {"graph": graph.toml(), "options": "{}", "step": "0"})
    return path


def test_a_hybrid_of_two_plugins(hybrid, picture, tmp_path, monkeypatch):
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    bundle = export_bundle(hybrid, tmp_path / "Two.ctkb", licence="CC0-1.0")
    assert bundle.card.title == "Two plugins" and bundle.card.distributions == ("codectk-segpic", "codectk-egic")
    parts = dict(bundles.parts_of(bundle))
    assert list(parts) == ["conditioning", "analysis", "entropy_model", "synthesis", "post"]
    assert parts["post"] == "egic.orp"
    data = api.encode(picture, str(bundle.path), quality=60)
    info = api.info(data)
    assert (info.codec, info.weights_hash) == ("two", bundle.sha256[:8])
    assert info.install == "pip install codectk-segpic codectk-egic"
    faithful, lively, usual = (np.asarray(api.decode(data, **k)) for k in ({"realism": 0}, {"realism": 1}, {}))
    assert faithful.shape == (64, 64, 3) and not np.array_equal(usual, lively)
    (tmp_path / "again").mkdir()
    assert export_bundle(bundle.path, tmp_path / "again" / "two.ctkb").sha256 == bundle.sha256
    monkeypatch.setenv("CODECTK_PLUGINS", "segpic")
    with pytest.raises(PluginMissingError, match="'egic', which CODECTK_PLUGINS leaves out"):
        bundles.card_of(bundle)


def test_a_hybrids_weights_that_do_not_fit_its_recipe(hybrid, tmp_path):
    arrays, texts = load_tensors(hybrid), read_metadata(hybrid)
    name = next(name for name in arrays if name.startswith("post."))
    del arrays[name]
    save_tensors(tmp_path / "less.safetensors", arrays, texts)
    bundle = export_bundle(tmp_path / "less.safetensors", tmp_path / "less.ctkb")
    with pytest.raises(WeightsError, match=rf"Bundle less \(.*{name}"):
        bundles.build(bundle, "cpu")


def test_the_command(two_steps, tmp_path, capsys):
    out = tmp_path / "tiny.ctkb"
    assert main.run(["export", str(two_steps), "-o", str(out), "--licence", "CC0-1.0", "--title", "Tiny"]) == 0
    told = capsys.readouterr().out
    assert read_bundle(out).sha256 in told and f"--codec {out}" in told and "weights import tiny.ctkb" in told
    assert main.run(["export", str(two_steps), "-o", str(out)]) == 0
    assert "without --licence nobody else" in capsys.readouterr().err
    assert read_bundle(out).card.licence == "none given"
    plain = str(tmp_path / "tiny.safetensors")
    for arguments, code, words in (
        ([str(two_steps), "-o", plain, "--title", "x"], 2, "--title, --data and --results are for a bundle"),
        ([str(out), "-o", plain], 2, "only a bundle can be made"),
        ([str(two_steps), "-o", str(tmp_path / "tiny.zip")], 1, "ends in none of .safetensors, .ctkb and .graphs"),
        ([str(tmp_path / "nowhere.ctkb"), "-o", str(out)], 1, "no bundle"),
        ([str(tmp_path / "nowhere.pt"), "-o", str(out), "--licence", "x"], 1, "no checkpoint"),
    ):
        assert main.run(["export", *arguments]) == code
        told = capsys.readouterr().err
        assert words in told and told.count("\n") == 1


def test_the_first_hybrid_makes_its_parents_bytes(pictures, picture, tmp_path):
    """SegPIC's decoder is trained on, here against nobody; the bundle's files hold the latents of SegPIC's own."""
    overrides = ["discriminator.name=''", "discriminator.weight=0", "loss.lpips=0", "data.crop=64", "data.batch=1"]
    overrides += [
        "data.min_side=64",
        "optim.steps=1",
        "optim.warmup=0",
        "optim.decay=0",
        "optim.lr=0.01",
        "optim.ema=0",
    ]
    train(load_recipe(RECIPES / "h1-segpic-oasis.toml", overrides).on([pictures]), tmp_path / "run")
    bundle = export_bundle(tmp_path / "run" / CHECKPOINT, tmp_path / "h1.ctkb", licence="CC0-1.0")
    for quality in (10, 60):
        ours, parents = (read(api.encode(picture, codec, quality=quality)) for codec in (str(bundle.path), "segpic"))
        assert ours.payloads(LATENTS) == parents.payloads(LATENTS)
        ready = load(str(bundle.path))
        assert not np.array_equal(ready.decode_picture(ours).pixels, load("segpic").decode_picture(parents).pixels)
