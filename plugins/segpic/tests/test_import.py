"""Published checkpoints come in, code pictures, and anything else is refused by name.

The checkpoints are made here: the published structure at small widths.
"""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch

from codectk import api
from codectk.base.errors import ParameterMismatchError, UsageError, WeightsError
from codectk.bitstream.reader import read
from codectk.pipeline.load import forget, load, load_for
from codectk.testing import pictures
from codectk.weights import store
from codectk.weights.importing import import_file
from codectk_segpic import checkpoint
from codectk_segpic.checkpoint import import_checkpoint

FIRST = "g_sb.0.weight"
"""The tensor that is looked for first."""


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    """A store of the test's own, and no codec left over from another test."""
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    forget()
    yield
    forget()


@pytest.fixture
def state(reference) -> dict[str, torch.Tensor]:
    return reference.random_state(reference.TINY)


@pytest.fixture
def saved(tmp_path):
    """saved(state dict) -> path of a checkpoint as the published training code writes it."""

    def save(state, name: str = "segpic_0.0018_best.pth.tar", **more) -> Path:
        optimizer = {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": [{"lr": 1e-4, "params": [0]}]}
        scheduler = {"factor": 0.5, "mode_worse": float("inf"), "best": torch.tensor(0.9)}
        whole = {"epoch": 399, "loss": torch.tensor(0.9), "state_dict": state, "optimizer": optimizer}
        torch.save({**whole, "aux_optimizer": optimizer, "lr_scheduler": scheduler, **more}, tmp_path / name)
        return tmp_path / name

    return save


@pytest.fixture
def imported(state, saved, reference) -> Path:
    """The checkpoint in the store."""
    arrays, metadata = import_checkpoint(saved(state), reference.TINY_OPTIONS)
    return store.save(arrays, {**metadata, "codec": "segpic"}, "published")


def test_the_stored_codec_paints_what_the_checkpoint_does(imported, state, reference):
    picture = pictures.scene(64, 128)
    data = api.encode(picture, weights="published", grid=2)
    x = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    expected = reference.Reference(state, reference.TINY.heads)(x, 2)["x"].clamp(0, 1)[0].permute(1, 2, 0) * 255
    decoded = np.asarray(api.decode(data)).astype(np.float32)
    assert decoded.std() > 5
    assert np.abs(decoded - expected.numpy()).max() < 0.51  # rounding to eight bits


def test_a_file_names_its_weights_and_finds_them(imported):
    picture = pictures.scene(50, 70)
    data = api.encode(picture, weights="published")
    info = api.info(data)
    assert info.weights_hash == imported.stem[-8:]
    assert not info.portable and info.knobs == {}
    forget()
    assert api.decode(data).size == (70, 50)
    assert np.array_equal(np.asarray(api.decode(data)), np.asarray(api.decode(data)))
    for name in ("published", imported.stem, info.weights_hash, store.sha256_of(imported)):
        assert api.encode(picture, weights=name) == data
    imported.unlink()
    forget()
    with pytest.raises(WeightsError, match=info.weights_hash) as caught:
        api.decode(data)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize(("height", "width", "grid"), [(1, 1, 1), (1, 130, 8), (65, 3, 2), (64, 64, 8), (200, 72, 4)])
def test_any_size_and_grid_comes_back(imported, height, width, grid):
    data = api.encode(pictures.scene(height, width), weights="published", grid=grid)
    assert api.decode(data).size == (width, height)


def test_there_is_no_quality(imported):
    picture = pictures.scene(40, 40)
    with pytest.raises(UsageError, match="no knob 'quality' with the weights in use"):
        api.encode(picture, weights="published", quality=50)
    with pytest.raises(UsageError, match="no rate knob"):
        api.encode(picture, weights="published", target_bpp=0.5)
    with pytest.raises(UsageError, match=r"'mood'.* valid knobs: grid"):
        api.encode(picture, weights="published", mood=1)


def test_numbers_that_drift_are_noticed(imported):
    data = api.encode(pictures.scene(64, 64), weights="published")
    ready = load_for(read(data).header)
    with torch.no_grad():
        ready.stages.entropy_model.h_scale_s[8].bias += 0.05  # what another device does, only more of it
    with pytest.raises(ParameterMismatchError, match="non-portable"):
        api.decode(data)


def test_what_is_stored_is_all_of_it(imported, state):
    codec = load("segpic", weights="published").stages
    assert codec.weights_hash == store.sha256_of(imported)
    for prior, official in checkpoint.PRIORS.items():
        medians = getattr(codec.entropy_model, prior).medians
        assert torch.equal(medians.flatten(), state[f"{official}.quantiles"][:, 0, 1])
    for ours, value in (("analysis", "basic_E.0"), ("synthesis", "basic_D.3")):
        first = {"analysis": codec.analysis.g_a1[1], "synthesis": codec.synthesis.g_s1[2]}[ours]
        assert torch.equal(first.conv_groups[0].weight, state[f"{value}.conv_groups.0.weight"])


def spelled(name: str, matrix: str, bias: str, factor: str) -> str:
    return name.replace("._matrix", matrix).replace("._bias", bias).replace("._factor", factor)


@pytest.mark.parametrize(
    "rename",
    [
        lambda name: f"module.{name}",
        lambda name: spelled(name, "._matrices.", "._biases.", "._factors."),
        lambda name: spelled(name, ".matrices.", ".biases.", ".factors."),
    ],
)
def test_other_spellings_give_the_same_weights(state, saved, reference, rename):
    plain, _ = import_checkpoint(saved(state), reference.TINY_OPTIONS)
    renamed = {rename(name): value for name, value in state.items()}
    assert renamed.keys() != state.keys()
    other, _ = import_checkpoint(saved(renamed), reference.TINY_OPTIONS)
    assert plain.keys() == other.keys()
    assert all(np.array_equal(plain[name], other[name]) for name in plain)


def test_what_is_not_needed_may_be_missing(state, saved, reference):
    plain, _ = import_checkpoint(saved(state), reference.TINY_OPTIONS)
    parts = ("_reparam", "_cdf", "_offset", "target", "position_index", "gaussian_conditional", "g_a1.0.", "basic_D.2.")
    fewer = {name: value for name, value in state.items() if not any(part in name for part in parts)}
    assert len(fewer) < 800
    other, _ = import_checkpoint(saved(fewer), reference.TINY_OPTIONS)
    assert all(np.array_equal(plain[name], other[name]) for name in plain)
    bare = saved({}, "bare.pth")
    torch.save(state, bare)
    other, _ = import_checkpoint(bare, reference.TINY_OPTIONS)
    assert all(np.array_equal(plain[name], other[name]) for name in plain)


def test_blocks_stored_twice_must_agree(state, saved, reference):
    state["g_s1.2.scales_bias.0.bias"] = state["g_s1.2.scales_bias.0.bias"] + 1
    with pytest.raises(WeightsError, match=r"'(g_s1.2|basic_D.3).scales_bias.0.bias' differs from"):
        import_checkpoint(saved(state), reference.TINY_OPTIONS)


def _without(name):
    return lambda state: [state.pop(key) for key in list(state) if checkpoint.canonical_name(key) == name]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda state: state.clear(), f"lacks '{FIRST}'"),
        (_without("basic_D.2.conv_groups.1.gamma"), "lacks 'basic_D.2.conv_groups.1.gamma'"),
        (_without("entropy_bottleneck_b._matrix3"), "lacks 'entropy_bottleneck_b._matrix3'"),
        (_without("entropy_bottleneck.quantiles"), "lacks 'entropy_bottleneck.quantiles'"),
        (lambda state: state.update({"g_a.0.weight": torch.zeros(3)}), "holds 'g_a.0.weight', which SegPIC lacks"),
        (lambda state: state.update({"h_a.0.bias": torch.zeros(3)}), r"'h_a.0.bias' has shape \(3,\), not \(40,\)"),
        (lambda state: state["h_a.0.bias"].fill_(np.nan), "'h_a.0.bias' has values that are not finite"),
        (lambda state: state.update({"h_a.0.bias": "text"}), "lacks 'h_a.0.bias'"),
    ],
)
def test_what_does_not_fit_is_named(state, saved, reference, change, sentence):
    change(state)
    path = saved(state)
    with pytest.raises(WeightsError, match=sentence) as caught:
        import_checkpoint(path, reference.TINY_OPTIONS)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_small_widths_are_not_the_published_network(state, saved):
    with pytest.raises(WeightsError, match=rf"'{FIRST}' has shape \(12, 8, 1, 1\), not \(128, 96, 1, 1\)"):
        import_file("segpic", saved(state))
    assert store.stored() == ()


class Payload:
    """Runs code when it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path(self.target),)


def test_a_pickle_that_could_run_code_is_refused(state, saved, tmp_path):
    bomb = Payload()
    bomb.target = str(tmp_path / "exploded")
    plain = tmp_path / "plain.pth"
    plain.write_bytes(pickle.dumps(bomb, protocol=2))
    for path in (saved(state, lr_scheduler=bomb), plain):
        with pytest.raises(WeightsError, match="could run code"):
            import_checkpoint(path)
    assert not (tmp_path / "exploded").exists()


def test_other_files_are_refused(saved, tmp_path):
    (tmp_path / "text").write_text("no weights")
    (tmp_path / "empty").write_bytes(b"")
    whole = saved({}).read_bytes()
    (tmp_path / "cut").write_bytes(whole[: len(whole) // 2])
    for name in ("text", "empty", "cut"):
        with pytest.raises(WeightsError, match=name):
            import_checkpoint(tmp_path / name)
    tensor = tmp_path / "tensor"
    torch.save(torch.zeros(3), tensor)
    with pytest.raises(WeightsError, match="holds a Tensor instead of tensors by name"):
        import_checkpoint(tensor)


def test_our_own_files_go_in_and_out(imported, tmp_path):
    copy = tmp_path / "mine.safetensors"
    copy.write_bytes(imported.read_bytes())
    imported.unlink()
    kept = import_file("segpic", copy)
    assert kept.name == f"mine-{store.sha256_of(copy)[:8]}.safetensors"
    assert load("segpic", weights="mine").stages.weights_hash == store.sha256_of(copy)


@pytest.mark.parametrize("options", [{"config": "huge"}, {"config": "full", "wings": 2}, [], "full"])
def test_weights_for_an_unknown_network_are_refused(imported, reference, options):
    arrays = {"x": np.zeros(1, np.float32)}
    store.save(arrays, {"codec": "segpic", "options": json.dumps(options)}, "odd")
    with pytest.raises(WeightsError, match="cannot build"):
        load("segpic", weights="odd")
