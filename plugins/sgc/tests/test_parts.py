"""SGC from its parts: the repository's recipe wires, learns, becomes a bundle, and codes as the codec does."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import codectk
from codectk.base.errors import ContractError, UsageError
from codectk.base.types import Context, Picture
from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import read
from codectk.graph.recipe import Graph, load_graph
from codectk.nn import hybrid
from codectk.nn.storage import to_arrays
from codectk.pipeline.build import build_codec
from codectk.pipeline.codec import Codec
from codectk.pipeline.load import load
from codectk.plugins import manager
from codectk.testing.pictures import scene
from codectk.train.checkpoint import load_checkpoint
from codectk.train.exporting import export_bundle
from codectk.train.loop import CHECKPOINT, train
from codectk.train.network import inherit
from codectk.train.settings import load_recipe
from codectk.weights.locate import locate
from codectk.weights.tensors import save_tensors
from codectk_labels.groups import NAMES
from codectk_sgc.labels.reduce import majority
from codectk_sgc.network import Network, build

RECIPE = Path(__file__).parents[3] / "recipes" / "sgc-parts.toml"
TINY = {"widths": [16, 16], "vq_widths": [16, 16, 16], "codes": 64}
SYNTHESIS = [f"synthesis.options.{key}={value}" for key, value in TINY.items()]
SCENE = scene(70, 100)


@pytest.fixture(scope="module")
def tiny() -> Network:
    torch.manual_seed(0)
    return build(TINY).eval()


def ready(graph: Graph, network: hybrid.Hybrid) -> Codec:
    return Codec(network.eval().codec("ab" * 32), graph.card(), "", ("codectk-sgc",))


def test_the_recipe_wires():
    graph = load_graph(RECIPE)
    codec = hybrid.build(graph).codec()
    assert (codec.id, codec.stride, codec.portable) == ("sgc-parts", 1, True)
    assert set(graph.card().knobs) == {"seed", "steps", "strength", "guidance"}
    own = set(build({}).state_dict())
    parts = {name.replace("entropy_model.", "coders.") for name in hybrid.build(graph).state_dict()}
    assert own == parts, "each weight is owned once, under the codec's own name"


def test_maps_of_another_size_are_told_with_the_option_that_helps():
    with pytest.raises(ContractError) as caught:
        hybrid.build(load_graph(RECIPE, [*SYNTHESIS, "entropy_model.options.reduced=false"]))
    said = str(caught.value)
    assert "sgc.semantic_coder needs latent 'labels' (1 channels at stride 16, labels)" in said
    assert said.endswith("With options = { reduced = true } [entropy_model] sgc.semantic_coder fits.")


def test_two_coders_in_place_of_one():
    one, two = (
        load_graph(RECIPE, [*SYNTHESIS, *more])
        for more in (
            [],
            ["entropy_model.name=sgc.color_coder", "entropy_model.options={reduced = true}",
             "adapters.labels.name=sgc.label_coder", "adapters.labels.options={classes = 13, reduced = true}"],
        )
    )  # fmt: skip
    torch.manual_seed(0)
    network, other = hybrid.build(one), hybrid.build(two)
    other.load_state_dict(
        {name.replace("entropy_model.labels", "adapters.labels.labels"): v for name, v in network.state_dict().items()}
    )
    files = [ready(g, n).encode(Picture(SCENE)) for g, n in ((one, network), (two, other))]
    assert read(files[0]).payloads(LATENTS) == read(files[1]).payloads(LATENTS)
    misfit = load_graph(RECIPE, ["entropy_model.name=sgc.color_coder", "entropy_model.options={reduced = true}",
                                 "adapters.labels.name=sgc.label_coder", *SYNTHESIS])  # fmt: skip
    with pytest.raises(
        ContractError, match=r"With options = \{ reduced = true \} \[adapters\.labels\] sgc\.label_coder"
    ):
        hybrid.build(misfit)


def test_parts_learn_become_a_bundle_and_code_as_the_codec(tiny: Network, tmp_path: Path, monkeypatch):
    """Weights of a codec; one step of the diffusion alone; files are the codec's, the pictures are not."""
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    metadata = {"codec": "sgc", "config": "small", "options": json.dumps(TINY)}
    save_tensors(tmp_path / "tiny.safetensors", to_arrays(tiny), metadata)
    for folder in ("photos", "labels"):
        (tmp_path / folder).mkdir()
    Image.fromarray(scene(80, 100)).save(tmp_path / "photos" / "a.png")
    Image.fromarray(np.full((80, 100), 3, np.uint8)).save(tmp_path / "labels" / "a.png")
    source = tmp_path / "tiny.safetensors"
    parts = f'{{analysis = "{source}", entropy_model = "{source}:coders", synthesis = "{source}"}}'
    small = ["data.crop=64", "data.batch=1", "data.min_side=64", f"data.labels={tmp_path / 'labels'}"]
    once = ["optim.steps=1", "optim.lr=0.02", "optim.warmup=0", "optim.decay=0", "optim.ema=0"]
    recipe = load_recipe(RECIPE, [*SYNTHESIS, *small, *once, f"stage.weights={parts}"])
    train(recipe.on([tmp_path / "photos"]), tmp_path / "run")
    trained = load_checkpoint(tmp_path / "run" / CHECKPOINT)["network"]
    inherited = hybrid.build(load_graph(RECIPE, SYNTHESIS))
    inherit(inherited, recipe.stage.weights)
    moved = {name for name, value in inherited.state_dict().items() if not torch.equal(value, trained[name])}
    assert moved and all(name.startswith("synthesis.denoiser.") for name in moved)
    bundle = export_bundle(tmp_path / "run" / CHECKPOINT, tmp_path / "sgc-parts.ctkb")
    data = codectk.encode(SCENE, codec=str(bundle.path), seed=2)
    assert (codectk.info(data).codec, codectk.info(data).needs) == ("sgc-parts", ("codectk-sgc",))
    # Encoding took the bundle into the store, so that its files decode by themselves.
    assert codectk.decode(data, steps=1).size == SCENE.shape[1::-1]
    card, record = manager.find_codec("sgc")
    own = build_codec(card, record, weights=locate(source, codec="sgc", package="codectk_sgc"))
    codec = Codec(own, card, record.distribution)
    file = codec.encode(Picture(SCENE), seed=2)
    assert read(file).payloads(LATENTS) == read(data).payloads(LATENTS)
    few = {"steps": 4}
    both = ((file, codec), (data, load(str(bundle.path))))
    painted = [by.decode_picture(read(one), **few).pixels for one, by in both]
    assert painted[0].shape == painted[1].shape == SCENE.shape and not np.array_equal(*painted)


def test_labels_that_a_diffusion_does_not_know(tiny: Network):
    maps = {"labels": np.full((4, 4), 13), "colors": np.zeros((2, 2, 3), np.uint8)}
    knobs = {"seed": 0, "steps": 1, "strength": 0.5, "guidance": 1.0}
    with pytest.raises(ContractError, match="labels 0 to 12, not 13 to 13"):
        tiny.synthesis(maps, Context(64, 64, knobs))


def test_options_are_those_of_the_network():
    for kind, name in (("analysis", "sgc.semantic_analysis"), ("synthesis", "sgc.diffusion")):
        with pytest.raises(UsageError, match="no configuration 'huge'"):
            manager.component(kind, name, {"config": "huge"})
        with pytest.raises(UsageError, match="depth"):
            manager.component(kind, name, {"depth": 3})
    with pytest.raises(UsageError, match=r"sgc\.segmenter has no option 'sides'"):
        manager.component("conditioning", "sgc.segmenter", {"sides": [320]})


def test_parts_of_the_preset_make_its_files_and_pictures():
    graph, recipe = load_graph(RECIPE), load_recipe(RECIPE)
    network = hybrid.build(graph)
    inherit(network, recipe.stage.weights)
    codec, parts = load("sgc"), ready(graph, network)
    files = [by.encode(Picture(SCENE)) for by in (codec, parts)]
    assert read(files[0]).payloads(LATENTS) == read(files[1]).payloads(LATENTS)
    few = {"steps": 4}
    pictures = [by.decode_picture(read(file), **few).pixels for file, by in zip(files, (codec, parts), strict=True)]
    assert np.abs(pictures[0].astype(int) - pictures[1]).max() <= 1


def test_the_segmenter_of_the_preset_says_what_the_encoder_sees():
    stage = manager.component("conditioning", "sgc.segmenter")
    assert stage.tells == "labels"
    x = torch.from_numpy(scene(96, 160) / np.float32(255)).permute(2, 0, 1).unsqueeze(0)
    ctx = Context(96, 160)
    labels = stage(x, ctx)
    assert labels.shape == (1, 96, 160) and labels.dtype == torch.int64
    assert labels.min() >= 1 and labels.max() < len(NAMES)
    coded = load("sgc").stages.analysis(x, None, ctx)["labels"]
    assert np.array_equal(majority(labels[0].numpy()), coded + 1)
    two = stage(torch.cat([x, x.flip(-1)]), ctx)
    assert torch.equal(two[0], labels[0]) and (two[1].flip(-1) == labels[0]).float().mean() > 0.99


def test_the_segmenter_guides_another_codec():
    pytest.importorskip("codectk_segpic", reason="the recipe is of three plugins")
    pytest.importorskip("codectk_egic", reason="the recipe is of three plugins")
    graph = load_graph(RECIPE.with_name("three-plugins.toml"), ["conditioning.name=sgc.segmenter"])
    assert graph.card().stride == 64 and "seed" not in graph.card().knobs
    codec = hybrid.build(graph).codec()
    cells = codec.conditioning(torch.rand(1, 3, 64, 128), Context(64, 128))
    assert cells.shape == (1, 4, 8) and cells.min() >= 1
