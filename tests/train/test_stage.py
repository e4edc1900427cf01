"""Stages: where they start, what they leave alone, and what they refuse."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from codectk.base.errors import PluginError, TrainingError, UsageError, WeightsError
from codectk.nn.storage import to_arrays
from codectk.train.checkpoint import load_checkpoint, save_checkpoint
from codectk.train.exporting import export
from codectk.train.loop import CHECKPOINT
from codectk.train.network import trained
from codectk.train.optimizer import Average, Descent
from codectk.train.settings import OptimSection
from codectk.weights.tensors import load_tensors

SYNTHESIS = 'stage.train=["synthesis"]'


def bytes_of(tensor: torch.Tensor) -> bytes:
    return tensor.numpy().tobytes()


@pytest.fixture
def second(start, finished: Path, tmp_path: Path) -> Path:
    """The folder of a second stage that trained the synthesis only, from `finished`."""
    overrides = (f"stage.start={finished / CHECKPOINT}", SYNTHESIS, "optim.steps=4", "optim.warmup=0", "optim.lr=1e-3")
    assert start(tmp_path / "second", *overrides).step == 4
    return tmp_path / "second"


def test_a_first_stage_trains_everything(trainer):
    """The published code froze all but the synthesis in every stage."""
    made = trainer("optim.warmup=0", "optim.lr=1e-3")
    before = {name: p.detach().clone() for name, p in made.network.named_parameters()}
    assert all(p.requires_grad for p in made.network.parameters())
    for _ in range(2):
        made.train_step()
    same = {name for name, p in made.network.named_parameters() if torch.equal(p, before[name])}
    assert not same


def test_a_stage_starts_from_the_averages(build, finished: Path):
    made = build(f"stage.start={finished / CHECKPOINT}")
    state = load_checkpoint(finished / CHECKPOINT)
    averages = state["ema"]["values"]
    assert any(not torch.equal(averages[name], state["network"][name]) for name in averages)
    for values in (made.network.state_dict(), made.average.values):
        assert values.keys() == averages.keys()
        assert all(bytes_of(values[name]) == bytes_of(averages[name]) for name in averages)
    assert made.step == 0 and made.average.steps == 0 and not made.descent.optimizer.state


def test_a_stage_starts_from_weights_that_code(build, finished: Path, tmp_path: Path):
    """Integer layers start from their integers and are trained; what the files' tables say, densities say."""
    exported = tmp_path / "weights.safetensors"
    export(finished / CHECKPOINT, exported)
    made = build(f"stage.start={exported}", "optim.warmup=0", "optim.lr=1e-2", "optim.decay=0")
    stored, started = load_tensors(exported), to_arrays(made.network)
    assert stored.keys() == started.keys()
    fitted = {name for name in stored if name.startswith("tables.") and "prior_y" not in name}
    assert fitted and all(np.array_equal(stored[name], started[name]) for name in stored.keys() - fitted)
    assert all(parameter.requires_grad for parameter in made.network.parameters())
    for _ in range(2):
        made.train_step()
    moved = to_arrays(made.network)
    assert any(not np.array_equal(moved[name], started[name]) for name in moved if name.endswith(".int_weight"))


def test_what_is_not_trained_stays_to_the_bit(finished: Path, second: Path):
    first, state = load_checkpoint(finished / CHECKPOINT)["ema"]["values"], load_checkpoint(second / CHECKPOINT)
    for values in (state["network"], state["ema"]["values"]):
        for name, value in values.items():
            assert (bytes_of(value) == bytes_of(first[name])) == (not name.startswith("synthesis.")), name
    inside = [name for name in first if name.startswith("synthesis.")]
    assert len(state["optimizer"]["param_groups"][0]["params"]) == len(inside)


def test_the_exported_file_codes_the_same_streams(finished: Path, second: Path, tmp_path: Path):
    """All that feeds the coder is byte for byte the same: analysis, entropy model and tables."""
    arrays = []
    for folder in (finished, second):
        export(folder / CHECKPOINT, tmp_path / "weights.safetensors")
        arrays.append(load_tensors(tmp_path / "weights.safetensors"))
    assert arrays[0].keys() == arrays[1].keys()
    differing = {name for name in arrays[0] if arrays[0][name].tobytes() != arrays[1][name].tobytes()}
    assert differing and all(name.startswith("synthesis.") for name in differing)
    assert {name.split(".")[0] for name in arrays[0]} > {"analysis", "entropy_model", "synthesis", "tables"}


def test_what_is_not_trained_gets_no_gradient(build):
    made = build(SYNTHESIS)
    made.train_step()
    with_gradient = {name for name, p in made.network.named_parameters() if p.grad is not None}
    assert with_gradient == set(made.descent.parameters)
    assert {name.split(".")[0] for name in with_gradient} == {"synthesis"}


def test_a_stage_resumes_exactly(start, assert_same, finished: Path, second: Path, tmp_path: Path):
    overrides = ("optim.steps=4", "optim.warmup=0", "optim.lr=1e-3", SYNTHESIS)
    save_checkpoint(tmp_path / "gone.pt", load_checkpoint(finished / CHECKPOINT))
    cut = tmp_path / "cut"
    start(cut, *overrides, f"stage.start={tmp_path / 'gone.pt'}", stop_at=2)
    (tmp_path / "gone.pt").unlink()  # a resumed run does not ask for it
    start(cut, *overrides, f"stage.start={finished / CHECKPOINT}", resume=True)
    assert_same(cut, second)


def test_a_run_does_not_go_on_with_other_parameters(start, second: Path):
    with pytest.raises(TrainingError, match="does not fit the network: the optimizer has another number of parameters"):
        start(second, "optim.steps=5", resume=True)


def test_buffers_of_what_is_not_trained_stay():
    """Such as the running means of a batch norm, whose average must not drift either."""
    network = nn.ModuleDict({"a": nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), "b": nn.BatchNorm1d(2)}).train()
    names = [name for name, _ in network.named_parameters()]
    before = {name: value.clone() for name, value in network.state_dict().items()}
    chosen = trained(names, ["b"])
    descent = Descent(network, chosen, OptimSection(warmup=0))
    average = Average(network, 0.9, set(names).difference(chosen))
    descent.backward(network["b"](network["a"](torch.rand(4, 2))).square().mul(torch.rand(4, 2)).sum())
    descent.descend(gradients := descent.gradients(), torch.tensor(1.0), 0)
    average.update(network)
    assert len(gradients) == 2
    for values in (network.state_dict(), average.values):
        assert all(torch.equal(values[name], before[name]) == name.startswith("a.") for name in before)


def test_the_average_of_a_minus_zero_is_one():
    """Interpolation would make it plus zero."""
    network = nn.Linear(1, 1)
    nn.init.constant_(network.weight, -0.0)
    average = Average(network, 0.9, {"weight"})
    for _ in range(20):
        average.update(network)
    assert np.signbit(average.values["weight"].numpy()).all()


class Spare(nn.Module):
    """A network with a parameter that takes no part in training."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner, self.spare = inner, nn.Parameter(torch.ones(3))

    def codec(self):
        return self.inner.codec()


@pytest.fixture
def spared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny network with a spare parameter."""
    from codectk.train.network import manager

    network = manager.network
    monkeypatch.setattr(manager, "network", lambda *args: Spare(network(*args)))


def test_a_parameter_without_a_gradient(spared, start, assert_same, tmp_path: Path):
    """It takes no part, breaks nothing, and a resumed run is exact."""
    start(tmp_path / "whole", "optim.steps=4")
    start(tmp_path / "cut", "optim.steps=4", stop_at=2)
    start(tmp_path / "cut", "optim.steps=4", resume=True)
    assert_same(tmp_path / "whole", tmp_path / "cut")
    state = load_checkpoint(tmp_path / "cut" / CHECKPOINT)
    assert torch.equal(state["network"]["spare"], torch.ones(3))
    assert len(state["optimizer"]["param_groups"][0]["params"]) == len(state["optimizer"]["state"]) + 1


def test_nothing_to_descend(spared, build):
    made = build('stage.train=["spare"]')
    with pytest.raises(TrainingError, match=r"depends on no parameter in training; see stage\.train and stage\.knobs"):
        made.train_step()


def test_weights_are_copied_once(build, finished: Path):
    pair = "entropy_model.h_mean_s.0", "entropy_model.h_scale_s.0"
    source, target = pair
    made = build(f"stage.start={finished / CHECKPOINT}", f'stage.copy={{"{target}"="{source}"}}')
    started = load_checkpoint(finished / CHECKPOINT)["ema"]["values"]
    for values in (made.network.state_dict(), made.average.values):
        below = [name for name in values if name.startswith(f"{source}.")]
        assert len(below) >= 2
        for name in below:
            assert torch.equal(values[target + name.removeprefix(source)], started[name])
        others = [name for name in values if not name.startswith(f"{target}.")]
        assert all(torch.equal(values[name], started[name]) for name in others)


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ('stage.train=["synthesis", "head"]', r"has no parameter below 'head'; it has analysis, .*synthesis"),
        ('stage.train=["synth"]', "has no parameter below 'synth'"),
        ('stage.copy={"synthesis"="head"}', "the network has nothing below 'head'"),
        ('stage.copy={"analysis"="synthesis"}', r"'analysis' is not made like 'synthesis'; they differ in analysis\."),
        ("stage.knobs.quality=50", "cannot set the quality"),
        ("stage.knobs.realism=0", r"codec 'segpic' has no knob 'realism'; it has grid"),
        ("stage.knobs.grid=1000", "Knob 'grid' must be between"),
        ("discriminator.weight=1", r"weight and start of \[discriminator\] need its name"),
        ("discriminator.start=a.pt", r"weight and start of \[discriminator\] need its name"),
        ("stage.objective=discriminator", r"needs discriminator\.name"),
    ],
)
def test_stages_that_cannot_be(build, override: str, words: str):
    with pytest.raises(UsageError, match=words):
        build(override)


def test_knobs_reach_the_stages(build, monkeypatch: pytest.MonkeyPatch):
    from codectk.train import objectives

    seen = []
    forward = objectives.forward

    def watch(codec, x, coder, ctx):
        seen.append(ctx)
        return forward(codec, x, coder, ctx)

    monkeypatch.setattr(objectives, "forward", watch)
    build("stage.knobs.grid=2").train_step()
    build().train_step()
    assert seen[0].knobs["grid"] == 2 != seen[1].knobs["grid"] and len(seen[0].knobs["quality"]) == 4


def test_starts_that_do_not_fit(build, finished: Path, tmp_path: Path):
    with pytest.raises(TrainingError, match="There is no checkpoint at"):
        build(f"stage.start={tmp_path / 'none.pt'}")
    with pytest.raises(TrainingError, match=r"checkpoint\.pt does not fit the network: .*size mismatch"):
        build(f"stage.start={finished / CHECKPOINT}", "codec.options.tail=16")
    with pytest.raises(WeightsError, match=r"none\.safetensors"):
        build(f"stage.start={tmp_path / 'none.safetensors'}")
    with pytest.raises(WeightsError, match=r"the weights lack|of shape|has shape"):
        build("stage.start=segpic")
    with pytest.raises(PluginError, match="did you mean 'segpic'"):
        build("stage.start=segpick")
