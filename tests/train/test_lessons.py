"""Training in which a component says what the network is to learn."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from codectk.base.errors import ContractError, UsageError
from codectk.spec.training import Batch
from codectk.train.checkpoint import load_checkpoint
from codectk.train.log import read_log
from codectk.train.trainer import Trainer
from codectk_segpic.network import Network

LESSON = ("stage.objective=lesson", "stage.lesson=school.gains", "stage.train=['analysis']")

SCHOOL = """
from tests_of_lessons import gains
from codectk.spec.hooks import hookimpl


@hookimpl
def codectk_lesson(name, options):
    return (lambda network, batch: gains(network, batch, **options)) if name == "school.gains" else 3
"""

CARD = """
api = 1
title = "School"
summary = "A plugin made by a test"
licence = "CC0-1.0"

[[component]]
id = "school.gains"
kind = "lesson"

[[component]]
id = "school.three"
kind = "lesson"
"""

seen: list[tuple[list[str], float]] = []


def gains(network: Network, batch: Batch, twice: float = 2) -> Mapping[str, Tensor]:
    """The analysis' weights are to become the mean color of the pictures, with noise from all sources."""
    seen.append(([file.name for file in batch.files], float(batch.pictures.mean())))
    target = batch.pictures.mean() + 0.01 * torch.rand(()) + 0.01 * torch.rand((), generator=batch.noise[0])
    errors = [(parameter - target).square().mean() for parameter in network.analysis.parameters()]
    return {"mean": torch.stack(errors).mean(), "twice": twice * torch.stack(errors).mean(), "~logged": target * 1e6}


@pytest.fixture(autouse=True)
def school(site, monkeypatch: pytest.MonkeyPatch) -> None:
    seen.clear()
    monkeypatch.setitem(sys.modules, "tests_of_lessons", sys.modules[__name__])
    site.add("school", SCHOOL, card=CARD)


def test_the_named_losses_are_descended(build: Callable[..., Trainer], pictures: Path):
    steps = build(*LESSON, "data.mirror=false", "data.transpose=false", "optim.lr=0.01", "optim.warmup=0")
    before, _ = steps.train_step()
    for _ in range(5):
        after, _ = steps.train_step()
    assert before["loss"] == pytest.approx(before["mean"] + before["twice"], rel=1e-5)
    assert before["twice"] == pytest.approx(2 * before["mean"], rel=1e-5)
    assert before["logged"] > 1e4, "what is only logged would drown the loss"
    assert after["mean"] < 0.9 * before["mean"]
    assert {file for files, _ in seen for file in files} <= {path.name for path in pictures.iterdir()}


def test_files_are_those_of_the_pictures(build: Callable[..., Trainer]):
    steps = build(*LESSON, "data.mirror=false", "data.transpose=false")
    steps.train_step()
    named = zip(steps.crops.files, steps.crops.pictures, strict=True)
    means = {file.name: pixels.mean() / 255 for file, pixels in named}
    crops = [steps.crops.draw(0, sample).mean() / 255 for sample in steps.share]
    ((files, mean),) = seen
    assert sum(crops) / len(crops) == pytest.approx(mean, abs=1e-4)
    assert len(files) == 4 and all(abs(means[file] - crop) < 0.1 for file, crop in zip(files, crops, strict=True))


def test_a_resumed_run_repeats_an_uninterrupted_one(start, tmp_path: Path):
    start(tmp_path / "whole", *LESSON)
    start(tmp_path / "parts", *LESSON, stop_at=5)
    start(tmp_path / "parts", *LESSON, resume=True)
    whole, parts = (load_checkpoint(tmp_path / name / "checkpoint.pt") for name in ("whole", "parts"))
    for name, value in whole["network"].items():
        assert torch.equal(value, parts["network"][name]), name
    assert [row["mean"] for row in read_log(tmp_path / "whole" / "log.jsonl")] == [
        row["mean"] for row in read_log(tmp_path / "parts" / "log.jsonl")
    ]


def test_options_reach_the_lesson(build: Callable[..., Trainer]):
    row, _ = build(*LESSON, "stage.lesson_options.twice=5").train_step()
    assert row["twice"] == pytest.approx(5 * row["mean"], rel=1e-5)


def test_what_does_not_go_together(build: Callable[..., Trainer]):
    with pytest.raises(UsageError, match="belong together"):
        build("stage.lesson=school.gains")
    with pytest.raises(UsageError, match="belong together"):
        build("stage.objective=lesson")
    with pytest.raises(UsageError, match=r"no place for \[discriminator\] and stage.knobs"):
        build(*LESSON, "stage.knobs={grid = 4}")
    with pytest.raises(UsageError, match=r"no lesson component 'school\.math'; plugin 'school' has: school\.gains"):
        build(*LESSON, "stage.lesson=school.math")
    with pytest.raises(ContractError, match=r"Lesson 'school\.three' cannot be called: it is a int"):
        build(*LESSON, "stage.lesson=school.three")
    with pytest.raises(UsageError, match="there is no lesson 'gains'; there are: none"):
        build(*LESSON, "stage.lesson=gains")
