"""Published checkpoints come in, paint what they painted where they come from, and anything else is refused by name.

The checkpoints are made here: the published structure at small widths.
"""

from __future__ import annotations

import json
import pickle
import sys
import types
import zipfile
from pathlib import Path
from unittest.mock import patch

import numpy as np
import pytest
import torch

from codectk import api
from codectk.base.errors import WeightsError
from codectk.nn.storage import install
from codectk.pipeline.load import load
from codectk.plugins import manager
from codectk.plugins.importing import import_file
from codectk.testing import pictures
from codectk.weights import store
from codectk_sgc.config import CONFIGS
from codectk_sgc.decoder.colors import enlarged, known_colors
from codectk_sgc.decoder.noise import start_noise
from codectk_sgc.labels.names import COCO_STUFF
from codectk_sgc.network import Network, build
from codectk_sgc.published.importing import import_published
from codectk_sgc.published.ldm import split_heads
from codectk_sgc.published.names import unet_name

OPTIONS = {
    "config": "full", "widths": [8, 16, 32], "groups": 4, "vq_widths": [8, 16, 24], "vq_groups": 4, "codes": 40,
    "seg_width": 4, "seg_blocks": [1, 1, 2, 1],
}  # fmt: skip
LDM, DEEPLAB = "semantic_synthesis.zip", "deeplabv2_resnet101_msc-cocostuff164k-100000.pth"

Tensors = dict[str, torch.Tensor]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A store of the test's own, and no codec left over from another test."""
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    manager.forget()
    yield
    manager.forget()


@pytest.fixture(scope="module")
def source(published_reference):
    """Where the checkpoints come from: latent diffusion itself, and the tensors of a DeepLab v2."""
    torch.manual_seed(0)
    diffusion = published_reference.LatentDiffusion(build(OPTIONS).config).eval()
    # Codes are as far apart as latents, and the UNet's last layer says something about noise.
    torch.nn.init.normal_(diffusion.first_stage_model.quantize["embedding"].weight)
    torch.nn.init.normal_(diffusion.mapper.weight)
    return diffusion, published_reference.deeplab_checkpoint(182, 4, OPTIONS["seg_blocks"])


@pytest.fixture
def states(source) -> tuple[Tensors, Tensors]:
    diffusion, segmenter = source
    return diffusion.checkpoint(), dict(segmenter)


class Published:
    """A folder with both checkpoints, as they are on the web."""

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()

    def diffusion(self, state: Tensors, name: str = LDM, **beside) -> Path:
        # As Lightning writes it: counters, and callbacks by their class.
        name_of = "pytorch_lightning.callbacks.model_checkpoint"
        parents = ["pytorch_lightning", "pytorch_lightning.callbacks", name_of]
        modules = {parent: types.ModuleType(parent) for parent in parents}
        callback = modules[name_of].ModelCheckpoint = type("ModelCheckpoint", (), {"__module__": name_of})
        callbacks = {callback: {"best_model_score": torch.tensor(0.1), "last": callback()}}
        optimizer = [{"state": {0: {"exp_avg": torch.zeros(9)}}}]
        whole = {"epoch": 3, "global_step": 7, "state_dict": state, "callbacks": callbacks}
        with patch.dict(sys.modules, modules):
            torch.save({**whole, "optimizer_states": optimizer, **beside}, self.folder / "model.ckpt")
        if not name.endswith(".zip"):
            return (self.folder / "model.ckpt").rename(self.folder / name)
        with zipfile.ZipFile(self.folder / name, "w") as archive:
            archive.write(self.folder / "model.ckpt", "model.ckpt")
            archive.writestr("config.yaml", "model: {}")
        (self.folder / "model.ckpt").unlink()
        return self.folder / name

    def segmenter(self, state: Tensors, name: str = DEEPLAB, *, old: bool = True) -> Path:
        # The published file is older than torch's zip format.
        torch.save(state, self.folder / name, _use_new_zipfile_serialization=not old)
        return self.folder / name


@pytest.fixture
def published(tmp_path) -> Published:
    return Published(tmp_path / "sgc-published")


@pytest.fixture
def both(published, states) -> Path:
    published.diffusion(states[0])
    published.segmenter(states[1])
    return published.folder


def network_of(arrays, options=OPTIONS) -> Network:
    network = build(options)
    install(network, arrays)
    return network


# What comes in is the published network ---------------------------------------------------------------------------


@torch.no_grad()
def test_every_part_says_what_it_said(both, source):
    diffusion, _ = source
    arrays, _ = import_published(both, OPTIONS)
    synthesis = network_of(arrays).synthesis
    labels = torch.randint(0, 182, (2, 3, 4))
    pixels = labels.repeat_interleave(16, 1).repeat_interleave(16, 2)
    planes = synthesis.denoiser.rescaler(labels)
    torch.testing.assert_close(planes, diffusion.condition(pixels), atol=1e-6, rtol=0)
    noisy, time = torch.randn(2, 3, 12, 16), torch.tensor([996, 31])
    said = diffusion.averaged(torch.cat([noisy, planes], 1), time)
    assert said.std() > 0.05
    torch.testing.assert_close(synthesis.denoiser(noisy, time, planes, None), said, atol=1e-5, rtol=0)
    trained = diffusion.model["diffusion_model"](torch.cat([noisy, planes], 1), time)
    assert (said - trained).abs().max() > 0.05, "the average is used"
    x = torch.rand(2, 3, 48, 64)
    latents = diffusion.first_stage_model.encode(2 * x - 1)
    torch.testing.assert_close(synthesis.autoencoder.encode(x), latents, atol=1e-5, rtol=0)
    shown = (diffusion.first_stage_model.decode(latents) + 1) / 2
    torch.testing.assert_close(synthesis.autoencoder.decode(latents), shown, atol=1e-5, rtol=0)


def test_the_picture_is_latent_diffusions(both, source):
    """The whole decoder: SDEdit's start, guidance, DDIM, quantization; 7 of 10 steps."""
    diffusion, _ = source
    arrays, _ = import_published(both, OPTIONS)
    rng = np.random.default_rng(1)
    labels, levels = rng.integers(0, 182, (4, 6)), rng.integers(0, 32, (2, 3, 3))
    painted = network_of(arrays).synthesis.paint(labels, levels, seed=5, steps=10, strength=0.7, guidance=2.0)
    pixels = torch.from_numpy(labels.repeat(16, 0).repeat(16, 1))[None]
    colors = 2 * enlarged(known_colors(levels), 64, 96) - 1
    wanted = diffusion.sample(colors, pixels, start_noise(5, (1, 3, 16, 24)), steps=10, taken=7, guidance=2.0)
    assert wanted.std() > 0.05
    torch.testing.assert_close(painted, (wanted + 1) / 2, atol=1e-4, rtol=0)


def test_heads_come_one_after_the_other():
    """Both orders have the same shape, so only numbers tell them apart."""
    heads, dim = 8, 2
    named = torch.tensor([[head, part, row] for head in range(heads) for part in range(3) for row in range(dim)])
    for part in range(3):
        found = split_heads(named, part)
        assert found.tolist() == [[head, part, row] for head in range(heads) for row in range(dim)]
    other_order = named.reshape(3, heads * dim, 3)[1]
    assert not torch.equal(split_heads(named, 1), other_order)


@torch.no_grad()
def test_the_other_order_of_heads_says_something_else(both, source, monkeypatch):
    diffusion, _ = source
    monkeypatch.setattr("codectk_sgc.published.ldm.split_heads", lambda qkv, part: qkv.chunk(3)[part])
    arrays, _ = import_published(both, OPTIONS)
    x, time = torch.randn(1, 6, 8, 8), torch.tensor([100])
    said = network_of(arrays).synthesis.denoiser.unet(x, time).sample
    assert (said - diffusion.averaged(x, time)).abs().max() > 1e-3


def test_a_label_keeps_its_number(both, source):
    arrays, _ = import_published(both, OPTIONS)
    rescaler = network_of(arrays).synthesis.denoiser.rescaler
    for number, name in ((154, "sea"), (156, "sky-other")):
        planes = rescaler(torch.tensor([[[COCO_STUFF.index(name)]]]))
        assert torch.equal(planes[0, :, 0, 0], source[0].mapper.weight[:, number, 0, 0])


def test_every_tensor_of_the_full_network_has_its_own_name(published_reference):
    """The names of the published UNet at its own widths, without and with dots."""
    with torch.device("meta"):
        network = Network(CONFIGS["full"])
        theirs = published_reference.LatentDiffusion(CONFIGS["full"]).averaged.state_dict()
    assert sum(value.numel() for value in theirs.values()) == 215_229_315
    ours = [unet_name(name, CONFIGS["full"]) for name in network.synthesis.denoiser.unet.state_dict()]
    plain = {name for name in ours if ".to_" not in name}
    assert plain | {f"middle_block.1.qkv.{part}" for part in ("weight", "bias")} == set(theirs)
    assert len({name.replace(".", "") for name in theirs}) == len(theirs)


def test_metadata_tell_network_and_source(both):
    arrays, metadata = import_published(both, OPTIONS)
    assert metadata["config"] == "full" and json.loads(metadata["options"]) == OPTIONS
    assert metadata["source"] == f"{LDM}, {DEEPLAB}" or metadata["source"] == f"{DEEPLAB}, {LDM}"
    with torch.device("meta"):
        assert arrays.keys() == build(OPTIONS).state_dict().keys()
    assert not arrays["synthesis.autoencoder.mean"].any() and (arrays["synthesis.autoencoder.deviation"] == 1).all()


def test_other_containers_give_the_same_weights(both, published, states):
    plain, _ = import_published(both, OPTIONS)
    other = Published(published.folder.parent / "other")
    other.diffusion(states[0] | {"scale_factor": torch.tensor(1.0)}, "last.ckpt")
    counted = {name: value for name, value in states[1].items() if not name.endswith("num_batches_tracked")}
    other.segmenter(counted, "deeplab.PTH", old=False)
    (other.folder / "notes.txt").write_text("nothing")
    (other.folder / "junk.zip").write_bytes(b"PK no zip")
    again, _ = import_published(other.folder, OPTIONS)
    assert plain.keys() == again.keys()
    assert all(np.array_equal(plain[name], again[name]) for name in plain)
    torch.save(states[0], other.folder / "last.ckpt")  # without Lightning around it
    again, _ = import_published(other.folder, OPTIONS)
    assert all(np.array_equal(plain[name], again[name]) for name in plain)


def test_arrays_outlive_the_files(both):
    arrays, _ = import_published(both, OPTIONS)
    before = {name: array.copy() for name, array in arrays.items()}
    for file in both.iterdir():
        file.write_bytes(b"\0" * file.stat().st_size)
    assert all(np.array_equal(before[name], array) for name, array in arrays.items())


# The codec --------------------------------------------------------------------------------------------------------


@pytest.fixture
def imported(both) -> Path:
    """Both in the store."""
    arrays, metadata = import_published(both, OPTIONS)
    return store.save(arrays, {**metadata, "codec": "sgc"}, "published")


def test_a_file_gives_the_same_picture_twice(imported):
    picture = pictures.scene(96, 128)
    data = api.encode(picture, codec="sgc", weights="published")
    assert len(data) < 400 and api.info(data).weights_hash == imported.stem[-8:]
    once = np.asarray(api.decode(data, steps=2))
    manager.forget()
    assert once.shape == (96, 128, 3) and once.std() > 1
    assert np.array_equal(once, np.asarray(api.decode(data, steps=2)))
    other = api.decode(api.encode(picture, codec="sgc", weights="published", seed=1), steps=2)
    assert not np.array_equal(once, np.asarray(other))


def test_the_codec_is_that_of_the_stored_file(imported):
    codec = load("sgc", weights="published").codec
    assert codec.weights_hash == store.sha256_of(imported)
    assert codec.synthesis.config == build(OPTIONS).config


# What does not fit is told ----------------------------------------------------------------------------------------


def refused(path: Path, sentence: str, options=OPTIONS) -> str:
    with pytest.raises(WeightsError, match=sentence) as caught:
        import_published(path, options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_one_checkpoint_is_not_enough(published, states):
    diffusion = published.diffusion(states[0])
    assert DEEPLAB in refused(diffusion, r"zip has the diffusion model; SGC also needs the segmenter.*into one folder")
    assert DEEPLAB in refused(published.folder, r"sgc-published lacks the segmenter")
    diffusion.unlink()
    segmenter = published.segmenter(states[1])
    assert LDM in refused(segmenter, r"pth has the segmenter; SGC also needs the diffusion model")
    assert LDM in refused(published.folder, r"sgc-published lacks the diffusion model")
    segmenter.unlink()
    assert LDM in refused(published.folder, r"lacks the diffusion model .* and the segmenter")
    other = published.segmenter({"classifier.weight": torch.zeros(3)}, "other.pth")
    refused(other, r"is neither of the two checkpoints")
    refused(published.folder, r"lacks .*other\.pth holds something else")


def test_two_of_a_kind_are_one_too_many(both, published, states):
    published.diffusion(states[0], "semantic_synthesis256.zip")
    refused(both, rf"has the diffusion model twice, in {LDM} and in semantic_synthesis256\.zip; leave one there")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda s: s.pop("model_ema.diffusion_modelinput_blocks00weight"), "lacks 'model_ema.*input_blocks00weight'"),
        (lambda s: s.pop("model_ema.diffusion_modelmiddle_block1qkvbias"), "lacks 'model_ema.*middle_block1qkvbias'"),
        (lambda s: s.pop("first_stage_model.decoder.up.2.block.0.conv1.weight"), r"lacks '.*up\.2\.block\.0\.conv1"),
        (lambda s: s.pop("cond_stage_model.channel_mapper.weight"), "lacks 'cond_stage_model"),
        (lambda s: s.pop("betas"), "lacks 'betas'"),
        (lambda s: s["betas"].mul_(1.01), "'betas' are of another noising process"),
        (lambda s: s["alphas_cumprod"].sqrt_(), "'alphas_cumprod' are of another noising process"),
        (lambda s: s.update(scale_factor=torch.tensor(0.18215)), "latents are scaled by 0.18215"),
        (lambda s: s.update({"cond_stage_model.bert.bias": torch.zeros(2)}), "holds 'cond_stage_model.bert.bias'"),
        (lambda s: s.update({"model_ema.diffusion_modelnew": torch.zeros(2)}), "holds 'model_ema.diffusion_modelnew'"),
        (lambda s: s.update({"cond_stage_model.channel_mapper.weight": torch.zeros(3, 183, 1, 1)}), r"shape \(3, 183"),
        (
            lambda s: s["first_stage_model.quant_conv.bias"].fill_(np.nan),
            "quant_conv.bias' has values that are not fin",
        ),
    ],
)
def test_what_does_not_fit_of_the_diffusion_is_named(published, states, change, sentence):
    state = {name: value.clone() for name, value in states[0].items()}
    change(state)
    path = published.diffusion(state, "model.ckpt")
    published.segmenter(states[1])
    assert str(path) in refused(published.folder, sentence)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (
            lambda s: s.pop("base.layer4.block2.reduce.conv.weight"),
            r"lacks 'base\.layer4\.block2\.reduce\.conv\.weight'",
        ),
        (lambda s: s.pop("base.aspp.c3.bias"), r"lacks 'base\.aspp\.c3\.bias'"),
        (lambda s: s.update({"base.layer4.block3.reduce.conv.weight": torch.zeros(3)}), r"holds 'base\.layer4\.block3"),
        (lambda s: s.update({"base.aspp.c0.bias": torch.zeros(21)}), r"c0\.bias' has shape \(21,\), not \(182,\)"),
    ],
)
def test_what_does_not_fit_of_the_segmenter_is_named(published, states, change, sentence):
    change(states[1])
    published.diffusion(states[0], "model.ckpt")
    path = published.segmenter(states[1])
    assert str(path) in refused(published.folder, sentence)


def test_small_widths_are_not_the_published_network(both):
    with pytest.raises(WeightsError, match=r"conv1.conv.weight' has shape \(4, 3, 7, 7\), not \(64, 3, 7, 7\)"):
        import_file("sgc", both)
    assert store.stored() == ()


class Payload:
    """Runs code when it is unpickled."""

    def __init__(self, target: Path):
        self.target = str(target)

    def __reduce__(self):
        return Path.touch, (Path(self.target),)


def test_a_pickle_that_could_run_code_is_refused(published, states, tmp_path):
    bomb = Payload(tmp_path / "exploded")
    in_zip = published.diffusion(states[0], hyper_parameters=bomb)
    refused(in_zip, r"\(model\.ckpt\) is refused: it holds pathlib\.\S+, which could run code; if you trust it")
    refused(published.folder, "lacks the diffusion model .* is refused")
    plain = published.folder / "plain.pth"
    plain.write_bytes(pickle.dumps(bomb, protocol=2))
    refused(plain, "is refused: it is no checkpoint, or holds more than weights")
    assert not (tmp_path / "exploded").exists()


def test_classes_of_lightning_are_left_alone(published, states):
    """Objects beside the weights are neither built nor looked for."""
    published.diffusion(states[0], "model.ckpt")
    published.segmenter(states[1])
    trusted = torch.serialization.get_safe_globals()
    import_published(published.folder, OPTIONS)
    assert "pytorch_lightning" not in sys.modules and torch.serialization.get_safe_globals() == trusted


def test_damaged_files_are_refused(published, states):
    whole = published.diffusion(states[0]).read_bytes()
    for name, content in (("text.pth", b"no weights"), ("empty.ckpt", b""), ("cut.zip", whole[: len(whole) // 2])):
        path = published.folder / name
        path.write_bytes(content)
        refused(path, name)
    flipped = bytearray(whole)
    flipped[len(whole) // 2] ^= 255
    path.write_bytes(flipped)
    refused(path, r"cut\.zip")
    tensor = published.folder / "tensor.pth"
    torch.save(torch.zeros(3), tensor)
    refused(tensor, "holds a Tensor instead of tensors by name")
    empty = published.folder / "empty.zip"
    with zipfile.ZipFile(empty, "w") as archive:
        archive.writestr("readme", "")
    refused(empty, r"a zip with no checkpoints \(\.ckpt\)")


def test_a_zip_that_is_too_large_is_not_unpacked(published, states, monkeypatch):
    path = published.diffusion(states[0])
    usage = types.SimpleNamespace(free=80_000_000)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: usage)
    refused(path, r"neither|SGC also needs")
    usage.free = 0
    refused(path, r"To unpack .*, 0\.0 GB are needed in .*, which has 0\.0; unpack it elsewhere and give model\.ckpt")
