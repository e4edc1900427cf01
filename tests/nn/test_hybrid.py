"""Hybrids: components of several plugins in one network, trained, stored, and coding bit-exactly."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from PIL import Image

pytest.importorskip("codectk_segpic", reason="these hybrids are made of SegPIC")
pytest.importorskip("codectk_egic", reason="and of EGIC")

from codectk.base.errors import CodectkError, ContractError, TrainingError, UsageError, WeightsError
from codectk.base.types import Context, Picture
from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import read
from codectk.graph.recipe import Graph, parse_graph
from codectk.nn import hybrid
from codectk.nn.storage import install, to_arrays
from codectk.pipeline import program
from codectk.pipeline.codec import Codec
from codectk.pipeline.decode import coding_context, decode_latents
from codectk.pipeline.encode import Encoding
from codectk.pipeline.load import load
from codectk.testing.pictures import scene
from codectk.train.exporting import export
from codectk.train.log import read_log
from codectk.train.loop import CHECKPOINT, train
from codectk.train.network import inherit
from codectk.train.settings import Recipe, from_dict, load_recipe

SEGPIC = 'config = "small", mid = [8, 16], latent = 16, slices = [8, 8], heads = 2, hyper = 8, tail = 6'

TONES = """
from codectk.spec.hooks import hookimpl

class Tones:
    tells = "labels"

    def __call__(self, x, ctx):
        return (x.mean(1) * 3.99).long().clamp(0, 3)

@hookimpl
def codectk_conditioning(name, options):
    return Tones() if name == "tones.labels" else None
"""
"""A plugin with label maps of four tones."""

TONES_CARD = """
api = 1
title = "Tones"
summary = "A plugin made by a test"
licence = "CC0-1.0"

[[component]]
id = "tones.labels"
kind = "conditioning"
"""

THREE = f"""
title = "Tones guide SegPIC's transforms, EGIC codes, paints and criticizes"

[conditioning]
name = "tones.labels"

[adapters.cells]
name = "core.labels"
options = {{ classes = 4 }}

[analysis]
name = "segpic.rat_analysis"
options = {{ labels = 4, {SEGPIC} }}

[adapters.side]
name = "segpic.prototype_coder"
options = {{ labels = 4, {SEGPIC} }}

[adapters.channels]
name = "core.channels"

[entropy_model]
name = "egic.charm"
options = {{ parameter_nets = [[8, 8]], support = 1 }}

[synthesis]
name = "segpic.rat_synthesis"
options = {{ labels = 4, {SEGPIC} }}

[post]
name = "egic.orp"
options = {{ head = "copy" }}

[discriminator]
name = "egic.patchgan"
options = {{ latent = 16, widths = [8, 8, 8], latent_width = 4 }}
weight = 1.0

[stage]
knobs = {{ realism = 0.5 }}
copy = {{ "post.head.2" = "synthesis.g_s1.2", "post.head.3" = "synthesis.g_s1.3" }}

[data]
crop = 64
batch = 2
min_side = 64

[optim]
steps = 2
warmup = 1

[run]
log_every = 1
"""
"""Three plugins, five slots, three adapters and a discriminator."""

PLAIN = f"""
title = "SegPIC from its parts"
[conditioning]
name = "segpic.regions"
options = {{ {SEGPIC} }}
[analysis]
name = "segpic.rat_analysis"
options = {{ {SEGPIC} }}
[entropy_model]
name = "segpic.charm_lrp"
options = {{ {SEGPIC} }}
[synthesis]
name = "segpic.rat_synthesis"
options = {{ {SEGPIC} }}
"""


@pytest.fixture
def tones(site) -> None:
    site.add("tones", TONES, card=TONES_CARD)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one picture."""
    (tmp_path / "pictures").mkdir()
    Image.fromarray(scene(80, 100)).save(tmp_path / "pictures" / "a.png")
    return tmp_path


def ready(graph: Graph, codec) -> Codec:
    return Codec(codec, graph.card().without(codec.without_knobs), "", ("codectk-segpic", "codectk-egic"))


def trained(text: str, folder: Path, name: str, *overrides: str) -> Path:
    """Train a recipe and export it."""
    recipe = folder / f"{name}.toml"
    recipe.write_text(text)
    train(load_recipe(recipe, overrides).on([folder / "pictures"]), folder / name)
    export(folder / name / CHECKPOINT, folder / f"{name}.safetensors")
    return folder / f"{name}.safetensors"


def test_three_plugins_train_export_and_code(tones, folder: Path):
    weights = trained(THREE, folder, "three")
    graph = parse_graph(THREE, "three.toml")
    codec = hybrid.load(graph, weights)
    assert (codec.id, codec.stride, codec.portable) == ("three", 64, True)
    made = ready(graph, codec)
    assert set(made.card.knobs) == {"quality", "realism"}
    encoding = Encoding(made, Picture(scene(70, 90)), {"quality": 80})
    data = encoding.file()
    assert abs(encoding.bits() / 8 - len(read(data).payloads(LATENTS)[0])) < 32
    container = read(data)
    assert container.header.codec == "three" and container.header.weights == bytes.fromhex(codec.weights_hash[:8])
    first, again = (decode_latents(container, ready(graph, hybrid.load(graph, weights))) for _ in range(2))
    values = program.finish(codec, encoding.piece.prepared, Context(128, 128, {"quality": 80.0}))
    assert set(first) == {"y", "p_mid", "regions"} and first["y"].shape == (1, 16, 8, 8)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert torch.equal(first["regions"], values["regions"].ids) and len(first["regions"].unique()) > 1
    ctx = coding_context(container.header, made)
    painted = [program.synthesize(codec, first, Context(128, 128, {**ctx.knobs, "realism": r})) for r in (0, 0.5, 1)]
    torch.testing.assert_close(painted[1], (painted[0] + painted[2]) / 2)
    assert not torch.equal(painted[0], painted[2])
    assert made.decode_picture(container, realism=1).pixels.shape == (70, 90, 3)


def test_a_hybrid_resumes_and_survives_its_checkpoint(tones, folder: Path):
    recipe = folder / "three.toml"
    recipe.write_text(THREE)
    whole, halves = load_recipe(recipe), load_recipe(recipe, ["optim.steps=2"])
    assert from_dict(whole.as_dict()) == whole and whole.codec.name == "three"
    train(whole.on([folder / "pictures"]), folder / "whole")
    train(halves.on([folder / "pictures"]), folder / "halves", stop=lambda step: step >= 1)
    train(halves.on([folder / "pictures"]), folder / "halves", resume=True)
    states = [torch.load(folder / name / CHECKPOINT, weights_only=True)["network"] for name in ("whole", "halves")]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    other = load_recipe(recipe, ["analysis.options.tail=8", "synthesis.options.tail=8", "adapters.side.options.tail=8"])
    with pytest.raises(TrainingError, match="another network"):
        train(other.on([folder / "pictures"]), folder / "halves", resume=True)


GLOBE = """
import torch
from codectk.programs.values import value_coder
from codectk.nn.priors import FactorizedPrior
from codectk.spec.hooks import hookimpl
from codectk.spec.stages import LatentSpec

CORE = LatentSpec("core", 6, None, "factorized")

class Analysis(torch.nn.Module):
    produces = (CORE,)

    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(3, 6)

    def __call__(self, x, condition, ctx):
        return {"core": 8 * self.linear(x.mean((2, 3)))[..., None, None]}

class Coding(torch.nn.Module):
    needs = gives = (CORE,)
    portable = True

    def __init__(self):
        super().__init__()
        self.prior = FactorizedPrior("core", 6)

    def code(self, coder, values, ctx):
        batch = 1 if values is None else len(values["core"])
        index = torch.arange(6).view(1, 6, 1, 1).expand(batch, -1, -1, -1)
        coder = value_coder(coder, torch.empty(0))
        return {"core": coder.code(index, None if values is None else values["core"], self.prior)}

@hookimpl
def codectk_analysis(name, options):
    return Analysis() if name == "globe.mean" else None

@hookimpl
def codectk_entropy_model(name, options):
    return Coding() if name == "globe.coding" else None
"""
"""A plugin whose latent is one vector for the whole picture."""

GLOBE_CARD = """
api = 1
title = "Globe"
summary = "A plugin made by a test"
licence = "CC0-1.0"

[[component]]
id = "globe.mean"
kind = "analysis"

[[component]]
id = "globe.coding"
kind = "entropy_model"
"""

GLOBAL = f"""
title = "A mean color, painted by SegPIC"
[analysis]
name = "globe.mean"
[adapters.map]
name = "core.spatial"
options = {{ channels = 16, width = 8 }}
[entropy_model]
name = "globe.coding"
[synthesis]
name = "segpic.rat_synthesis"
options = {{ without = ["regions"], {SEGPIC} }}
[data]
crop = 64
batch = 2
min_side = 64
[optim]
steps = 3
warmup = 1
"""


def test_a_global_code_painted_from_a_map(site, folder: Path):
    site.add("globe", GLOBE, card=GLOBE_CARD)
    weights = trained(GLOBAL, folder, "globe")
    graph = parse_graph(GLOBAL, "globe.toml")
    assert graph.card().stride == 64 and list(graph.card().knobs) == ["quality"]
    made = ready(graph, hybrid.load(graph, weights))
    data = made.encode(Picture(scene(90, 150)))
    assert len(read(data).payloads(LATENTS)[0]) < 24, "one vector, whatever the size"
    latents = decode_latents(read(data), made)
    assert latents["core"].shape == (1, 6, 1, 1) and latents["y"].shape == (1, 16, 8, 12)
    assert made.decode_picture(read(data)).pixels.shape == (90, 150, 3)
    for old, new, words in (
        ("channels = 16", "channels = 8", "needs latent 'y' .* gives .*'y' .8 channels at stride 16"),
        ("channels = 16", "stages = -1", "needs the channels of the latent"),
        ("channels = 16", 'channels = 16, latent = "w"', r"\[adapters\.map\] core\.spatial reads a global latent 'w'"),
    ):
        with pytest.raises(CodectkError, match=words):
            hybrid.build(parse_graph(GLOBAL.replace(old, new), "globe.toml"))


CHOOSY = GLOBE.replace(
    """    needs = gives = (CORE,)
    portable = True

    def __init__(self):
""",
    """    portable = True

    def __init__(self, whole):
        self.needs = self.gives = (CORE if whole else LatentSpec("core", 6, 4, "factorized"),)
        self.variants = ({"whole": not whole},)
""",
).replace('Coding() if name == "globe.coding"', 'Coding(options.get("whole", False)) if name == "globe.coding"')
"""The same, but its coder codes a map of other latents unless it is told otherwise."""


def test_options_that_would_fit_are_told(site):
    site.add("globe", CHOOSY, card=GLOBE_CARD)
    plain = re.sub(r"\[adapters\.map\]\n.*\n.*\n", "", GLOBAL)
    with pytest.raises(
        ContractError, match=r"\. With options = \{ whole = true \} \[entropy_model\] globe\.coding fits\."
    ):
        hybrid.build(parse_graph(plain, "globe.toml"))
    whole = plain.replace('"globe.coding"', '"globe.coding"\noptions = { whole = true }')
    with pytest.raises(ContractError, match="needs latent 'y'") as caught:
        hybrid.build(parse_graph(whole, "globe.toml"))
    assert "With options" not in str(caught.value), "what fits already is left as it is"


TEACHER = (
    GLOBE
    + """

@hookimpl
def codectk_lesson(name, options):
    return lambda network, batch: {
        "ones": (network.analysis.linear(batch.pictures.mean((2, 3))) - 1).square().mean()
    }
"""
)
TEACHER_CARD = (
    GLOBE_CARD
    + """
[[component]]
id = "globe.ones"
kind = "lesson"
"""
)


@pytest.mark.parametrize("name", ["globe.ones", "ones"])
def test_a_recipe_of_parts_has_lessons(site, folder: Path, name: str):
    """Named in full, or as one of those that the plugins of its parts offer."""
    site.add("globe", TEACHER, card=TEACHER_CARD)
    stage = f'[stage]\nobjective = "lesson"\nlesson = "{name}"\ntrain = ["analysis"]\n'
    trained(
        GLOBAL + stage,
        folder,
        "taught",
        "optim.steps=30",
        "optim.lr=0.1",
        "optim.decay=0",
        "optim.ema=0",
        "run.log_every=1",
    )
    ones = [row["ones"] for row in read_log(folder / "taught" / "log.jsonl")]
    assert len(ones) == 30 and ones[-1] < 0.5 * ones[0]


def test_stages_share_what_their_codec_shares():
    network = hybrid.build(parse_graph(PLAIN, "r.toml"))
    names = [name for name, _ in network.named_children()]
    assert names == ["conditioning", "analysis", "entropy_model", "synthesis", "adapters", "g_sb"]
    analysis, synthesis = network.stages["analysis"], network.stages["synthesis"]
    assert analysis.proto_decoder[0] is synthesis.proto_decoder[0] is network.g_sb
    assert analysis.rounded.__self__ is network.stages["entropy_model"]
    from codectk_segpic.network import build

    options = parse_graph(PLAIN, "r.toml").slots["analysis"].options
    own = build(options)
    assert set(own.state_dict()) == set(network.state_dict()) and set(own.compact) == set(network.compact)


def test_stages_with_other_options_share_nothing():
    text = PLAIN.replace(f'name = "segpic.rat_synthesis"\noptions = {{ {SEGPIC} }}',
                         f'name = "segpic.rat_synthesis"\noptions = {{ {SEGPIC}, rat_mid = 16 }}')  # fmt: skip
    network = hybrid.build(parse_graph(text, "r.toml"))
    assert network.g_sb is not network.synthesis_g_sb
    assert network.stages["synthesis"].proto_decoder[0] is network.synthesis_g_sb


def test_the_parts_of_a_shipped_codec_make_its_files():
    """Weights of the parents, stored again by the hybrid: the payload is the same bytes."""
    graph = parse_graph(re.sub(r"options = .*\n", "", PLAIN), "r.toml")
    network = hybrid.build(graph)
    inherit(network, dict.fromkeys(("analysis", "entropy_model", "synthesis", "g_sb"), "segpic"))
    exported = hybrid.build(graph)
    install(exported, to_arrays(network))
    picture = Picture(scene(96, 130))
    own = load("segpic").encode(picture, quality=40)
    made = ready(graph, exported.codec("ab" * 32)).encode(picture, quality=40)
    assert read(own).payloads(LATENTS) == read(made).payloads(LATENTS)
    assert all(p.requires_grad for p in network.stages["analysis"].parameters())
    assert not any(p.requires_grad for p in network.stages["entropy_model"].prior_z.parameters())


def test_frozen_parts_stay_to_the_byte(folder: Path):
    first = trained(
        PLAIN + "[data]\ncrop = 64\nbatch = 1\nmin_side = 64\n[optim]\nsteps = 1\nwarmup = 1\n", folder, "one"
    )
    parts = ", ".join(f'{part} = "{first}"' for part in ("analysis", "entropy_model", "synthesis", "g_sb"))
    stage = f'[stage]\nweights = {{ {parts} }}\ntrain = ["synthesis.g_s1"]\n'
    text = f"{PLAIN}{stage}[data]\ncrop = 64\nbatch = 1\nmin_side = 64\n[optim]\nsteps = 2\nwarmup = 1\n"
    second = trained(text, folder, "two")
    graph = parse_graph(PLAIN, "r.toml")
    files = [ready(graph, hybrid.load(graph, path)).encode(Picture(scene(64, 64))) for path in (first, second)]
    assert read(files[0]).payloads(LATENTS) == read(files[1]).payloads(LATENTS)
    codecs = [hybrid.load(graph, path) for path in (first, second)]
    ones = [c.synthesis.g_s1[-2].weight for c in codecs]  # type: ignore[attr-defined]
    assert not torch.equal(*ones)
    more = load_recipe(folder / "two.toml", ["optim.steps=3"])
    assert train(more.on([folder / "pictures"]), folder / "two", resume=True).step == 3


@pytest.mark.parametrize(
    ("weights", "error", "words"),
    [
        ({"analysys": "segpic"}, UsageError, "no part 'analysys'; it has conditioning, analysis"),
        ({"analysis": "egic"}, WeightsError, "stage.weights: 'analysis' from egic: blend has shape"),
        ({"analysis": "segpic:nothing"}, WeightsError, "nothing below 'nothing'"),
        ({"analysis": "none.pt"}, TrainingError, "'analysis' from none.pt: There is no checkpoint"),
        ({"analysis": "none.safetensors"}, WeightsError, "cannot be read"),
    ],
)
def test_weights_that_do_not_fit(weights: dict[str, str], error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        inherit(hybrid.build(parse_graph(PLAIN, "r.toml")), weights)


PARTS = """title = "a"
[conditioning]
name = "segpic.regions"
[analysis]
name = "segpic.rat_analysis"
[entropy_model]
name = "egic.charm"
[synthesis]
name = "segpic.rat_synthesis"
"""
CHANNELS = '[adapters.c]\nname = "core.channels"\n'
OWN = PARTS.replace("egic.charm", "segpic.charm_lrp")

MISFITS = {
    "channels": (
        PARTS,
        [
            r"^r\.toml:7: \[entropy_model\] egic\.charm needs latent 'y' \(160 channels at stride 16, gaussian\), but ",
            r"\[analysis\] segpic\.rat_analysis \(r\.toml:5\) gives 'y' \(224 channels at stride 16, gaussian\)\.",
            r" An adapter makes it fit: \[adapters\.channels\] name = \"core\.channels\"\.",
            r" Installed components for \[entropy_model\] that would fit: segpic\.charm_lrp\.",
            r" Installed components for \[analysis\] that would fit: egic\.swin_analysis\.$",
        ],
    ),
    "a latent": (
        PARTS + CHANNELS,
        [
            r"^r\.toml:9: \[synthesis\] segpic\.rat_synthesis needs latent 'p_mid'",
            r"egic\.charm with its adapters \(r\.toml:7\) gives no such latent: 'y' \(224",
            r"makes it fit: \[adapters\.prototype_coder\] name = \"segpic\.prototype_coder\"\.",
            r"for \[entropy_model\] that would fit: segpic\.charm_lrp\.$",
        ],
    ),
    "conditioning": (
        PARTS.replace('[conditioning]\nname = "segpic.regions"\n', ""),
        [
            r"^r\.toml:3: \[analysis\] segpic\.rat_analysis needs regions from a conditioning stage, ",
            r"but there is no \[conditioning\]\. .*that would fit: segpic\.regions\.$",
        ],
    ),
    "features": (
        OWN + '[post]\nname = "egic.orp"\noptions = { config = "full" }',
        [
            r"^r\.toml:11: \[post\] egic\.orp needs latent 'last' \(128 channels at stride 2",
            r"segpic\.rat_synthesis \(r\.toml:9\) gives 'last' \(64 channels at stride 4",
        ],
    ),
    "an adapter": (
        OWN + CHANNELS + 'options = { latent = "w" }',
        [r"^r\.toml:11: \[adapters\.c\] core\.channels joins the latent 'w', which the analysis does not make\.$"],
    ),
    "an option": (
        PARTS.replace('"egic.charm"', '"egic.charm"\noptions = { magic = 1 }'),
        [r"^r\.toml:7: EGIC has no option 'magic'; it has config, embed"],
    ),
    "an adapter's option": (
        OWN + CHANNELS + "options = { size = 3 }",
        [r"core\.channels has no option 'size'; it has latent, restore"],
    ),
}


@pytest.mark.parametrize("case", MISFITS)
def test_parts_that_do_not_fit(case: str):
    text, words = MISFITS[case]
    with pytest.raises(CodectkError) as caught:
        hybrid.build(parse_graph(text, "r.toml"))
    for part in words:
        assert re.search(part, str(caught.value)), str(caught.value)


def test_labels_for_an_analysis_that_wants_regions(tones):
    text = PARTS.replace("segpic.regions", "tones.labels").replace("egic.charm", "segpic.charm_lrp")
    with pytest.raises(
        ContractError, match=r"needs regions .* but \[conditioning\] tones\.labels \(r\.toml:3\) gives lab"
    ):
        hybrid.build(parse_graph(text, "r.toml"))


def test_knobs_that_a_configuration_lacks_are_nobodys():
    options = 'options = { config = "full" }'
    text = f"""
[analysis]
name = "egic.swin_analysis"
{options}
[entropy_model]
name = "egic.charm"
{options}
[synthesis]
name = "egic.swin_synthesis"
{options}
"""
    with torch.device("meta"):
        codec = hybrid.build(parse_graph(text, "r.toml")).codec()
    assert codec.without_knobs == {"quality"} and not codec.portable


def test_a_codec_by_name_is_no_hybrid():
    with pytest.raises(UsageError, match=r"r\.toml: \[codec\] stands for an installed codec"):
        hybrid.build(parse_graph('[codec]\nname = "segpic"', "r.toml"))


def test_recipes_without_slots_are_as_before():
    recipe = from_dict({"codec": {"name": "segpic"}, "title": "x", "knobs": {"quality": 3}})
    assert recipe.graph is None and recipe == from_dict({"codec": {"name": "segpic"}})
    assert from_dict({}) == Recipe() and "graph" not in Recipe().as_dict()


def test_a_residual_head_needs_something_to_copy():
    text = PARTS.replace("egic.charm", "segpic.charm_lrp") + '[post]\nname = "egic.orp"\noptions = { head = "copy" }'
    network = hybrid.build(parse_graph(text, "r.toml"))
    post = network.stages["post"]
    assert post.needs == network.stages["synthesis"].reveals
    with pytest.raises(ContractError, match="shows its last layer"):
        post.attach(object())


def test_one_analysis_meets_another_codecs_decoder():
    """SegPIC's 224 channels in front of EGIC's 160, which nobody restores."""
    text = (
        '[conditioning]\nname = "segpic.regions"\n[analysis]\nname = "segpic.rat_analysis"\n'
        '[entropy_model]\nname = "egic.charm"\n[synthesis]\nname = "egic.swin_synthesis"\n'
        '[adapters.channels]\nname = "core.channels"\n'
    )
    with pytest.raises(ContractError, match="synthesis"):
        hybrid.build(parse_graph(text, "r.toml"))
    stages = hybrid.build(parse_graph(text + "options = { restore = false }\n", "r.toml")).codec()
    assert [spec.channels for spec in stages.entropy_model.needs] == [224]
    assert [spec.channels for spec in stages.synthesis.needs if spec.name == "y"] == [160]


BESIDE = (
    PARTS.replace("segpic.rat_analysis", "egic.swin_analysis").replace("segpic.rat_synthesis", "egic.swin_synthesis")
    + '[adapters.p]\nname = "segpic.prototype_coder"\n'
)


def test_who_needs_a_latent_is_named_though_it_codes_beside_the_entropy_model():
    with pytest.raises(ContractError) as caught:
        hybrid.build(parse_graph(BESIDE, "r.toml"))
    assert re.match(
        r"r\.toml:\d+: \[adapters\.p\] segpic\.prototype_coder needs latent 'p_mid' .*"
        r"but \[analysis\] egic\.swin_analysis .* gives no such latent: 'y'",
        str(caught.value),
    )
    assert "for [entropy_model] that would fit" not in str(caught.value), "the entropy model is not at fault"
