"""StyleGAN2 checkpoints: the same weights in each layout give the same picture, and nothing runs code."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch

from codectk.base.errors import WeightsError
from codectk.weights.tensors import save_tensors
from codectk_hsc.generators import stylegan2_files
from codectk_hsc.generators.library import import_generator, load_generator
from codectk_hsc.generators.stylegan2 import StyleGAN2

CHANNELS = {4: 8, 8: 6, 16: 4, 32: 4}
DIM, DEPTH, SLOTS = 6, 2, 8
KERNEL = np.outer((1, 3, 3, 1), (1, 3, 3, 1)).astype(np.float32)


@pytest.fixture
def arrays(fill):
    """Under our names."""
    with torch.device("meta"):
        return fill(StyleGAN2(DIM, DEPTH, CHANNELS))


def tensors(arrays):
    return {name: torch.from_numpy(value) for name, value in arrays.items()}


def reimplementation(arrays):
    """The state dict that the PyTorch reimplementation writes."""
    state = tensors(arrays)
    state.pop("mean")
    for number in range(0, 6, 2):
        state[f"convs.{number}.conv.blur.kernel"] = torch.from_numpy(KERNEL / 16)
        state[f"to_rgbs.{number // 2}.upsample.kernel"] = torch.from_numpy(KERNEL / 16)
    return state


def official(arrays):
    """The state dict of the official network."""
    state = {"synthesis.b4.const": arrays["input.input"][0], "mapping.w_avg": arrays["mean"][0]}
    for number in range(DEPTH):
        for key in ("weight", "bias"):
            state[f"mapping.fc{number}.{key}"] = arrays[f"style.{number + 1}.{key}"]

    def layer(theirs, ours, noise):
        state[f"{theirs}.weight"] = arrays[f"{ours}.conv.weight"][0]
        state[f"{theirs}.bias"] = arrays[f"{ours}.activate.bias"]
        state[f"{theirs}.affine.weight"] = arrays[f"{ours}.conv.modulation.weight"]
        state[f"{theirs}.affine.bias"] = arrays[f"{ours}.conv.modulation.bias"]
        state[f"{theirs}.noise_strength"] = arrays[f"{ours}.noise.weight"][0]
        state[f"{theirs}.noise_const"] = arrays[f"noises.noise_{noise}"][0, 0]
        state[f"{theirs}.resample_filter"] = KERNEL / 64

    def color(theirs, ours):
        state[f"{theirs}.weight"] = arrays[f"{ours}.conv.weight"][0]
        state[f"{theirs}.bias"] = arrays[f"{ours}.bias"].reshape(-1)
        state[f"{theirs}.affine.weight"] = arrays[f"{ours}.conv.modulation.weight"]
        state[f"{theirs}.affine.bias"] = arrays[f"{ours}.conv.modulation.bias"]

    layer("synthesis.b4.conv1", "conv1", 0)
    color("synthesis.b4.torgb", "to_rgb1")
    for level, side in enumerate((8, 16, 32)):
        layer(f"synthesis.b{side}.conv0", f"convs.{2 * level}", 2 * level + 1)
        layer(f"synthesis.b{side}.conv1", f"convs.{2 * level + 1}", 2 * level + 2)
        color(f"synthesis.b{side}.torgb", f"to_rgbs.{level}")
        state[f"synthesis.b{side}.resample_filter"] = KERNEL / 64
    return {name: np.ascontiguousarray(value) for name, value in state.items()}


def assert_same(path, arrays):
    network = stylegan2_files.from_arrays(stylegan2_files.read(path), str(path))
    wanted = stylegan2_files.from_arrays(arrays, "arrays")
    styles = torch.randn(1, SLOTS, DIM)
    assert torch.equal(network.picture(styles), wanted.picture(styles))
    z = torch.randn(2, DIM)
    assert torch.equal(network.styles(z), wanted.styles(z))
    return network


def test_reimplementation(arrays, tmp_path):
    torch.save({"g_ema": reimplementation(arrays), "latent_avg": tensors(arrays)["mean"][0]}, tmp_path / "a.pt")
    network = assert_same(tmp_path / "a.pt", arrays)
    assert np.array_equal(network.mean, np.repeat(arrays["mean"][:1], SLOTS, 0))


def test_a_missing_mean_is_computed(arrays, tmp_path):
    torch.save({"g_ema": reimplementation(arrays), "g": {}, "d": {}}, tmp_path / "a.pt")
    network = assert_same(tmp_path / "a.pt", arrays)
    w = network.styles(torch.randn(20_000, DIM))
    torch.testing.assert_close(network.mean, w.mean(0).expand(SLOTS, -1), atol=float(4 * w.std() / 100), rtol=0)


def test_an_encoders_checkpoint(arrays, tmp_path):
    state = {f"decoder.{name}": value for name, value in reimplementation(arrays).items()}
    state["encoder.input_layer.0.weight"] = torch.zeros(3)
    content = {"state_dict": state, "latent_avg": tensors(arrays)["mean"], "opts": {"size": 32}}
    torch.save(content, tmp_path / "a.pt")
    network = assert_same(tmp_path / "a.pt", arrays)
    assert np.array_equal(network.mean, arrays["mean"])


def test_official_as_safetensors_and_as_torch_dict(arrays, tmp_path):
    state = official(arrays)
    save_tensors(tmp_path / "a.safetensors", state)
    torch.save({name: torch.from_numpy(value) for name, value in state.items()}, tmp_path / "a.pt")
    for name in ("a.safetensors", "a.pt"):
        network = assert_same(tmp_path / name, arrays)
        assert np.array_equal(network.mean, np.repeat(arrays["mean"][:1], SLOTS, 0))


def test_import_and_load(arrays, tmp_path):
    torch.save(reimplementation(arrays), tmp_path / "theirs.pt")
    imported, metadata = import_generator(tmp_path / "theirs.pt")
    save_tensors(tmp_path / "ours.safetensors", imported, metadata)
    network = load_generator(tmp_path / "ours.safetensors")
    assert (network.kind, network.size, metadata["config"]) == ("stylegan2", 32, "generator")
    again, _ = import_generator(tmp_path / "ours.safetensors")
    assert all(np.array_equal(again[name], value) for name, value in imported.items())
    save_tensors(tmp_path / "other.safetensors", imported)
    with pytest.raises(WeightsError, match="is no generator of faces"):
        load_generator(tmp_path / "other.safetensors")


class Persistent:
    """Stands for the official pickles' classes."""


def test_pickles_are_refused_with_a_way_out(tmp_path):
    (tmp_path / "network.pkl").write_bytes(pickle.dumps({"G_ema": Persistent()}))
    torch.save({"G_ema": Persistent()}, tmp_path / "network.pt")
    for name in ("network.pkl", "network.pt"):
        with pytest.raises(WeightsError, match=r"could run code; .* torch.save\(G_ema.state_dict\(\), "):
            stylegan2_files.read(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"convs.0.conv.blur.kernel": torch.ones(4, 4)}, "filter 'convs.0.conv.blur.kernel' is not the one"),
        ({"convs.0.activate.bias": None}, r"is no StyleGAN2: it lacks 'convs.0.activate.bias'"),
        ({"mapping.embed.weight": torch.ones(4, 4)}, "holds 'mapping.embed.weight'"),
        ({"input.input": None}, "lacks 'input.input'"),
    ],
)
def test_files_that_do_not_fit(arrays, tmp_path, change, sentence):
    state = {**reimplementation(arrays), **change, "latent_avg": torch.zeros(DIM)}
    torch.save({name: value for name, value in state.items() if value is not None}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=sentence):
        import_generator(tmp_path / "a.pt")


def test_what_is_no_checkpoint(tmp_path):
    (tmp_path / "text.pt").write_text("hello")
    torch.save([1, 2], tmp_path / "list.pt")
    for name in ("text.pt", "list.pt", "nowhere.pt"):
        with pytest.raises(WeightsError):
            import_generator(tmp_path / name)
