"""Training against a discriminator, and the discriminator's pre-training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codectk.base.errors import ContractError, PluginMissingError, TrainingError, UsageError
from codectk.train.checkpoint import load_checkpoint, save_checkpoint
from codectk.train.exporting import export
from codectk.train.log import read_log
from codectk.train.loop import CHECKPOINT, CURVE, LOG
from codectk.weights.tensors import load_tensors

ALONE = ("stage.objective=discriminator", "discriminator.weight=0", "optim.steps=5", "run.log_every=1")


@pytest.fixture
def pretrained(start, critic, tmp_path: Path) -> Path:
    """The folder of a discriminator trained alone."""
    assert start(tmp_path / "alone", *critic, *ALONE).step == 5
    return tmp_path / "alone"


def gradients(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}


def test_each_side_gets_its_own_gradients(build, critic):
    made = build(*critic)
    losses = made.losses()
    descent, (loss, _) = next(losses)
    assert descent is made.descent
    descent.backward(loss)
    assert not gradients(made.adversary.module) and all(p.requires_grad for p in made.adversary.module.parameters())
    before = gradients(made.network)
    descent, (loss, _) = next(losses)
    assert descent is made.adversary.descent
    descent.backward(loss)
    after = gradients(made.network)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert gradients(made.adversary.module).keys() == dict(made.adversary.module.named_parameters()).keys()


def test_the_verdict_is_part_of_the_distortion(build, critic, monkeypatch: pytest.MonkeyPatch):
    """lambda(q) * (... + weight * adv) with the balance of the rate-distortion loss."""
    alone, judged = build(), build(*critic)
    seen = []
    original = judged.adversary.judge
    monkeypatch.setattr(judged.adversary, "judge", lambda *shown: seen.append(shown) or original(*shown))
    _, (without, _) = next(alone.losses())
    _, (loss, row) = next(judged.losses())
    section = judged.recipe.loss
    quality = torch.tensor([q for q in qualities(judged)])
    factor = section.low * (section.high / section.low) ** (quality / 100)
    scale = (factor / (section.low * section.high) ** 0.5) ** -section.balance
    verdict = original(*seen[0])
    assert row["adv"].item() == pytest.approx(verdict.mean().item()) and verdict.min() > 0
    assert (loss - without).item() == pytest.approx((scale * factor * 30 * verdict).mean().item(), rel=1e-3)


def qualities(made) -> list[float]:
    from codectk.train import draws

    return [draws.quality(made.recipe.optim.seed, 0, sample, 4) for sample in range(4)]


def test_the_codec_follows_the_verdict(build, critic):
    """With nothing but the discriminator in the distortion, its loss falls; it stands still meanwhile."""
    made = build(
        *critic, "loss.mse=1e-6", "loss.balance=0", "discriminator.weight=1e4", 'stage.train=["synthesis"]',
        "discriminator.lr=0", "optim.lr_final=0", "optim.lr=3e-3", "optim.warmup=0", "optim.decay=0", "data.batch=2",
    )  # fmt: skip
    before = {name: value.clone() for name, value in made.adversary.module.state_dict().items()}
    said = [made.train_step()[0]["adv"] for _ in range(12)]
    assert sum(said[-3:]) < 0.97 * sum(said[:3])
    assert all(torch.equal(before[name], value) for name, value in made.adversary.module.state_dict().items())


def test_the_discriminator_learns(build, critic):
    made = build(
        *critic, "discriminator.lr=1e-2", "optim.lr=1e-6", "optim.lr_final=0", "optim.warmup=0", "data.batch=2"
    )
    rows = [made.train_step()[0] for _ in range(12)]
    assert sum(row["d_loss"] for row in rows[-3:]) < 0.95 * sum(row["d_loss"] for row in rows[:3])
    for row in rows:
        assert row["d_loss"] == pytest.approx(row["d_real"] + row["d_fake"] + row["d_mix"], rel=1e-5)
        assert 0 <= row["d_accuracy_fake"] <= 1 and row["d_grad"] > 0 and row["grad"] > 0


def test_what_the_discriminator_is_shown(build, critic, monkeypatch: pytest.MonkeyPatch):
    """Pictures and their labels, void as 0; what the codec made of them; the latents, cut off from the codec."""
    made = build(*critic)
    seen = []
    original = made.adversary.module.discriminator_loss
    monkeypatch.setattr(made.adversary.module, "discriminator_loss", lambda *args: seen.append(args) or original(*args))
    made.train_step()
    ((real, fake, labels, latents),) = seen
    assert labels.dtype == torch.int64 and labels.shape == (4, 64, 64)
    for sample in range(4):
        assert labels[sample].tolist() == made.labels.draw(0, sample).tolist()
        pixels = torch.from_numpy(made.crops.draw(0, sample)).permute(2, 0, 1) / 255
        assert torch.equal(real[sample], pixels)
    assert set(labels.unique().tolist()) == {0, 1, 2, 3}
    assert fake.shape == real.shape and not torch.equal(fake, real)
    assert set(latents) == {"y"} and latents["y"].shape == (4, 32, 4, 4)
    assert not any(value.requires_grad for value in (real, fake, latents["y"]))


def test_no_verdict_is_asked_for_without_a_weight(build, critic, monkeypatch: pytest.MonkeyPatch):
    made = build(*critic, "discriminator.weight=0")
    monkeypatch.setattr(made.adversary.module, "generator_loss", lambda *args: pytest.fail("asked"))
    row, _ = made.train_step()
    assert "adv" not in row and row["d_loss"] > 0


def test_the_codecs_randomness_is_its_own(build, critic):
    """A discriminator that has no say changes nothing for the codec."""
    rows = [made.train_step()[0] for made in (build(), build(*critic, "discriminator.weight=0"))]
    assert {name: rows[1][name] for name in rows[0]} == rows[0]


@pytest.mark.parametrize("stop_at", [4, 9])
def test_a_resumed_run_is_an_uninterrupted_one(start, assert_same, critic, tmp_path: Path, stop_at: int):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    start(whole, *critic)
    start(cut, *critic, stop_at=stop_at)
    torch.manual_seed(99)
    said: list[str] = []
    start(cut, *critic, resume=True, say=said.append)
    assert_same(whole, cut)
    assert said == [
        "1 of 6 pictures have no label map in " + critic[-1].removeprefix("data.labels=") + " and count as void."
    ]
    assert {"d_lr", "d_loss", "d_grad", "adv", "loss", "psnr"} <= read_log(cut / LOG)[0].keys()


def test_the_checkpoint_and_what_is_exported_of_it(start, critic, tmp_path: Path):
    start(tmp_path / "run", *critic, "optim.steps=2", "run.log_every=1", plot=True)
    assert (tmp_path / "run" / CURVE).stat().st_size > 10_000
    state = load_checkpoint(tmp_path / "run" / CHECKPOINT)
    assert set(state["discriminator"]) == {"names", "state", "optimizer"}
    export(tmp_path / "run" / CHECKPOINT, tmp_path / "with.safetensors")
    save_checkpoint(tmp_path / "without.pt", {key: value for key, value in state.items() if key != "discriminator"})
    export(tmp_path / "without.pt", tmp_path / "without.safetensors")
    assert (tmp_path / "with.safetensors").read_bytes() == (tmp_path / "without.safetensors").read_bytes()
    assert not [name for name in load_tensors(tmp_path / "with.safetensors") if "discriminator" in name]


def test_pretraining(start, assert_same, critic, pretrained: Path, tmp_path: Path):
    """It learns, is logged and drawn, resumes exactly, and leaves no codec."""
    start(tmp_path / "cut", *critic, *ALONE, stop_at=3)
    start(tmp_path / "cut", *critic, *ALONE, resume=True, plot=True)
    assert_same(pretrained, tmp_path / "cut")
    assert (tmp_path / "cut" / CURVE).stat().st_size > 5_000
    rows = read_log(pretrained / LOG)
    assert {"step", "seconds", "d_lr", "d_groups", "d_loss", "d_grad"} == rows[0].keys()
    with pytest.raises(TrainingError, match="holds no codec; it is from training a discriminator alone"):
        export(pretrained / CHECKPOINT, tmp_path / "weights.safetensors")


def test_pretraining_learns(build, critic):
    made = build(*critic, *ALONE, "optim.steps=100", "optim.warmup=0", "optim.decay=0", "discriminator.lr=1e-2")
    losses = [made.train_step()[0]["d_loss"] for _ in range(40)]
    assert sum(losses[-8:]) < 0.97 * sum(losses[:8])


def test_a_discriminator_starts_from_its_pretraining(build, critic, pretrained: Path, tmp_path: Path):
    path = pretrained / CHECKPOINT
    said: list[str] = []
    made = build(*critic, f"discriminator.start={path}", said=said)
    state = load_checkpoint(path)
    for name, value in made.adversary.module.state_dict().items():
        assert torch.equal(value, state["discriminator"]["state"][name])
    assert said == [] and made.step == 0 and not made.adversary.descent.optimizer.state

    for name in ("latent.weight", "latent.bias"):
        del state["discriminator"]["state"][name]
    save_checkpoint(tmp_path / "young.pt", state)
    build(*critic, f"discriminator.start={tmp_path / 'young.pt'}", said=said)
    assert said == [f"{tmp_path / 'young.pt'} lacks latent.weight, latent.bias; these parameters of the discriminator start fresh."]  # fmt: skip  # noqa: E501

    del state["discriminator"]["state"]["last.bias"]
    save_checkpoint(tmp_path / "young.pt", state)
    with pytest.raises(TrainingError, match=r"young\.pt does not fit the discriminator: .*last\.bias"):
        build(*critic, f"discriminator.start={tmp_path / 'young.pt'}")
    with pytest.raises(TrainingError, match="holds no codec to start from"):
        build(f"stage.start={path}")


def test_starts_without_a_discriminator(build, critic, finished: Path):
    with pytest.raises(TrainingError, match="holds no discriminator to start from"):
        build(*critic, f"discriminator.start={finished / CHECKPOINT}")


def test_runs_that_cannot_go_on(start, critic, pretrained: Path, tmp_path: Path):
    start(tmp_path / "run", *critic, "optim.steps=1")
    with pytest.raises(TrainingError, match="one of the two runs has a discriminator, the other one has not"):
        start(tmp_path / "run", resume=True)
    with pytest.raises(TrainingError, match=r"made with another stage\.objective"):
        start(tmp_path / "run", *critic, *ALONE, resume=True)


def test_a_value_that_is_not_finite_is_found_in_the_discriminator(build, critic):
    made = build(*critic)
    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    with torch.no_grad():
        made.adversary.module.last.bias[0] = torch.nan
    with pytest.raises(
        TrainingError, match=r"at step 0: module discriminator\.last \(Conv2d\) has a value that is not"
    ):
        made.train_step()
    assert all(torch.equal(before[name], value) for name, value in made.network.state_dict().items())


def test_a_loss_that_is_not_finite_is_the_discriminators(build, critic, monkeypatch: pytest.MonkeyPatch):
    """The codec's weights are as before the step."""
    made = build(*critic)
    original = made.adversary.module.discriminator_loss
    poisoned = lambda *args: {"a": torch.nan * original(*args)["real"]}  # noqa: E731
    monkeypatch.setattr(made.adversary.module, "discriminator_loss", poisoned)
    before = {name: value.clone() for name, value in made.network.state_dict().items()}
    with pytest.raises(TrainingError, match="The loss of the discriminator is not finite at step 0"):
        made.train_step()
    assert all(torch.equal(before[name], value) for name, value in made.network.state_dict().items())


def test_lower_precision(build, critic):
    made = build(*critic, "optim.precision=bfloat16")
    row, _ = made.train_step()
    assert row["d_loss"] > 0 and {p.dtype for p in made.adversary.module.parameters()} == {torch.float32}


def test_discriminators_that_do_not_fit(build, critic, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UsageError, match=r"'critic\.small' needs data\.labels, a folder of label maps"):
        build(*critic, "data.labels=")
    with pytest.raises(
        ContractError, match="the discriminator needs channels 16, but the entropy model gives channels 32"
    ):
        build(*critic, "discriminator.options.channels=16")
    with pytest.raises(
        UsageError, match=r"no discriminator component 'critic\.large'; plugin 'critic' has: critic\.small"
    ):
        build(*critic, "discriminator.name=critic.large")
    with pytest.raises(PluginMissingError, match="No plugin 'nothing'"):
        build(*critic, "discriminator.name=nothing.small")
    with pytest.raises(UsageError, match=r"start, train, copy and knobs of \[stage\] are about the codec"):
        build(*critic, *ALONE, "stage.knobs.grid=2")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("del Critic.pretraining_loss", "has no method pretraining_loss"),
        ("del Critic.discriminator_loss", "has no method discriminator_loss"),
        ("del Critic.needs_labels", r"has no attribute needs_labels \(bool\)"),
        ("Critic = dict", "is no torch module but dict"),
    ],
)
def test_what_is_no_discriminator(build, critic, site, change: str, words: str):
    path = site.path / "fake_critic" / "plugin.py"
    path.write_text(f"{path.read_text()}\n\n{change}\n")
    with pytest.raises(ContractError, match=words):
        build(*critic, *ALONE)


@pytest.mark.parametrize(
    ("method", "result", "words"),
    [
        ("generator_loss", torch.zeros(()), "generator_loss has one value per sample"),
        ("discriminator_loss", {"a": torch.zeros(4)}, "term 'a' is no scalar"),
        ("discriminator_loss", {"~a": torch.zeros(())}, "has no terms"),
    ],
)
def test_losses_that_are_none(build, critic, monkeypatch, method: str, result: object, words: str):
    made = build(*critic)
    monkeypatch.setattr(made.adversary.module, method, lambda *args: result)
    with pytest.raises(ContractError, match=words):
        made.train_step()
