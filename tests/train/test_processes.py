"""A process that is killed, and two at once."""

from __future__ import annotations

import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from codectk.train.checkpoint import load_checkpoint
from codectk.train.log import read_log
from codectk.train.loop import CHECKPOINT, LOG

ENDLESS = ("--set", "optim.steps=100000")
EVERY_STEP = ("--set", "run.checkpoint_minutes=0")


def wait_for(happened: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Wait until a running process has done something."""
    deadline = time.monotonic() + 60
    while not happened():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"the training process ended or hung: {process.communicate()}")
        time.sleep(0.02)


def lines(folder: Path) -> int:
    log = folder / LOG
    return log.read_text().count("\n") if log.exists() else 0


def test_a_killed_run_goes_on_as_if_nothing_had_happened(launch, start, assert_same, tmp_path: Path):
    """SIGKILL at any moment: the next steps of the resumed run are those of an uninterrupted one, bit for bit."""
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    with launch(killed, *ENDLESS, *EVERY_STEP) as process:
        wait_for(lambda: lines(killed) >= 2, process)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    step = load_checkpoint(killed / CHECKPOINT)["step"]
    assert 5 <= step < 1000
    overrides = ("optim.steps=100000", "run.checkpoint_minutes=0")
    resumed = start(killed, *overrides, resume=True, stop_at=step + 5)
    assert resumed.step == start(whole, *overrides, stop_at=step + 5).step == step + 5
    assert_same(killed, whole)


@pytest.fixture
def by_torchrun() -> tuple[str, ...]:
    """Two processes on a port that is free."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return ("-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}")


def test_two_processes_take_the_steps_of_one(launch, start, by_torchrun, tmp_path: Path):
    """The same global batch gives the same weights and the same log, within float noise."""
    one, two = tmp_path / "one", tmp_path / "two"
    overrides = ("optim.steps=4", "optim.lr=1e-4", "run.log_every=1")
    with launch(two, *(word for given in overrides for word in ("--set", given)), by=by_torchrun) as process:
        out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert out == f"{two / CHECKPOINT} holds step 4 of 4.\n"
    start(one, *overrides)
    a, b = (load_checkpoint(folder / CHECKPOINT) for folder in (one, two))
    assert distance(a["network"], b["network"]) < 1e-5
    assert distance(a["ema"]["values"], b["ema"]["values"]) < 1e-5
    assert distance(a["network"], start_of(start, tmp_path / "start")) > 1e-3, "the steps did something"
    logs = [read_log(folder / LOG) for folder in (one, two)]
    assert len(logs[0]) == len(logs[1]) == 4
    for left, right in zip(*logs, strict=True):
        assert {**left, "seconds": 0} == pytest.approx({**right, "seconds": 0}, rel=1e-4)


def test_two_processes_with_a_discriminator(launch, start, by_torchrun, critic, site, tmp_path: Path):
    """Also one that draws random numbers."""
    one, two = tmp_path / "one", tmp_path / "two"
    overrides = (*critic, 'stage.train=["synthesis"]', "optim.steps=3", "run.log_every=1")
    arguments = [word for override in overrides for word in ("--set", override)]
    with launch(two, *arguments, by=by_torchrun, path=(str(site.path),)) as process:
        _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    start(one, *overrides)
    a, b = (load_checkpoint(folder / CHECKPOINT) for folder in (one, two))
    assert distance(a["network"], b["network"]) < 1e-5
    assert distance(a["discriminator"]["state"], b["discriminator"]["state"]) < 1e-5
    logs = [read_log(folder / LOG) for folder in (one, two)]
    assert len(logs[0]) == len(logs[1]) == 3
    for left, right in zip(*logs, strict=True):
        assert {**left, "seconds": 0} == pytest.approx({**right, "seconds": 0}, rel=1e-4)


def distance(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    """Relative distance of two sets of weights."""
    left, right = (torch.cat([v.double().flatten() for v in values.values()]) for values in (a, b))
    return float((left - right).norm() / left.norm())


def start_of(start, folder: Path) -> dict[str, torch.Tensor]:
    """Weights after one step at a rate of nearly zero."""
    start(folder, "optim.steps=1", "optim.lr=1e-12", "optim.lr_final=1e-12")
    weights: dict[str, torch.Tensor] = load_checkpoint(folder / CHECKPOINT)["network"]
    return weights
