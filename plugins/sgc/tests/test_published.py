"""Published checkpoints come in, and paint what they painted where they come from.

The checkpoints are made here: the published structure at small widths.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from codectk import api
from codectk.nn.storage import install
from codectk.pipeline.load import forget, load
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


@pytest.fixture
def arrays(both, published) -> dict[str, np.ndarray]:
    """Both as they come in."""
    return import_published(both, published.options)[0]


@pytest.fixture
def network(arrays, published) -> Network:
    """With them."""
    network = build(published.options)
    install(network, arrays)
    return network


@torch.no_grad()
def test_every_part_says_what_it_said(network, diffusion):
    synthesis = network.synthesis
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


def test_the_picture_is_latent_diffusions(network, diffusion):
    """The whole decoder: SDEdit's start, guidance, DDIM, quantization; 7 of 10 steps."""
    rng = np.random.default_rng(1)
    labels, levels = rng.integers(0, 182, (4, 6)), rng.integers(0, 32, (2, 3, 3))
    painted = network.synthesis.paint(labels, levels, seed=5, steps=10, strength=0.7, guidance=2.0)
    pixels = torch.from_numpy(labels.repeat(16, 0).repeat(16, 1))[None]
    colors = 2 * enlarged(known_colors(levels), 64, 96) - 1
    wanted = diffusion.sample(
        colors, pixels, torch.from_numpy(start_noise(5, (1, 3, 16, 24))), steps=10, taken=7, guidance=2.0
    )
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
def test_the_other_order_of_heads_says_something_else(both, published, network, diffusion, monkeypatch):
    x, time = torch.randn(1, 6, 8, 8), torch.tensor([100])
    unet, wanted = network.synthesis.denoiser.unet, diffusion.averaged(x, time)
    assert (unet(x, time).sample - wanted).abs().max() < 1e-5
    monkeypatch.setattr("codectk_sgc.published.ldm.split_heads", lambda qkv, part: qkv.chunk(3)[part])
    install(network, import_published(both, published.options)[0])
    assert (unet(x, time).sample - wanted).abs().max() > 1e-3


def test_a_label_keeps_its_number(network, diffusion):
    rescaler = network.synthesis.denoiser.rescaler
    for number, name in ((154, "sea"), (156, "sky-other")):
        planes = rescaler(torch.tensor([[[COCO_STUFF.index(name)]]]))
        assert torch.equal(planes[0, :, 0, 0], diffusion.mapper.weight[:, number, 0, 0])


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


def test_metadata_tell_network_and_source(both, published):
    arrays, metadata = import_published(both, published.options)
    assert metadata["config"] == "full" and json.loads(metadata["options"]) == published.options
    assert metadata["source"] == f"{published.deeplab}, {published.ldm}"
    with torch.device("meta"):
        assert arrays.keys() == build(published.options).state_dict().keys()
    assert not arrays["synthesis.autoencoder.mean"].any() and (arrays["synthesis.autoencoder.deviation"] == 1).all()


def test_other_containers_give_the_same_weights(arrays, published, states):
    other = type(published)(published.folder.parent / "other")
    other.diffusion(states[0] | {"scale_factor": torch.tensor(1.0)}, "last.ckpt")
    counted = {name: value for name, value in states[1].items() if not name.endswith("num_batches_tracked")}
    other.segmenter(counted, "deeplab.PTH", old=False)
    (other.folder / "notes.txt").write_text("nothing")
    (other.folder / "junk.zip").write_bytes(b"PK no zip")
    again, _ = import_published(other.folder, published.options)
    assert arrays.keys() == again.keys()
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)
    torch.save(states[0], other.folder / "last.ckpt")  # without Lightning around it
    again, _ = import_published(other.folder, published.options)
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


def test_arrays_outlive_the_files(arrays, both):
    before = {name: array.copy() for name, array in arrays.items()}
    for file in both.iterdir():
        file.write_bytes(b"\0" * file.stat().st_size)
    assert all(np.array_equal(before[name], array) for name, array in arrays.items())


@pytest.fixture
def imported(both, published, own_store) -> Path:
    """Both in the store."""
    arrays, metadata = import_published(both, published.options)
    return store.save(arrays, {**metadata, "codec": "sgc"}, "published")


def test_a_file_gives_the_same_picture_twice(imported):
    picture = pictures.scene(96, 128)
    data = api.encode(picture, codec="sgc", weights="published")
    assert len(data) < 400 and api.info(data).weights_hash == imported.stem[-8:]
    once = np.asarray(api.decode(data, steps=2))
    forget()
    assert once.shape == (96, 128, 3) and once.std() > 1
    assert np.array_equal(once, np.asarray(api.decode(data, steps=2)))
    other = api.decode(api.encode(picture, codec="sgc", weights="published", seed=1), steps=2)
    assert not np.array_equal(once, np.asarray(other))


def test_the_codec_is_that_of_the_stored_file(imported, published):
    codec = load("sgc", weights="published").stages
    assert codec.weights_hash == store.sha256_of(imported)
    assert codec.synthesis.config == build(published.options).config
