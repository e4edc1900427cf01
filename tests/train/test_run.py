"""Whole runs in this process: files, notes and exact resume."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codectk.base.errors import InputError, OutputError, PluginMissingError, TrainingError, UsageError
from codectk.train.checkpoint import load_checkpoint, save_checkpoint
from codectk.train.log import read_log
from codectk.train.loop import CHECKPOINT, CURVE, LOG, recipe_of, train


def test_files_of_a_run(finished: Path):
    assert sorted(path.name for path in finished.iterdir()) == [CHECKPOINT, LOG]
    records = read_log(finished / LOG)
    assert [record["step"] for record in records] == [3, 6, 9, 12]
    assert {"lr", "seconds", "loss", "bpp", "psnr", "grad", "bpp_y"} <= records[0].keys()
    state = load_checkpoint(finished / CHECKPOINT)
    assert state["step"] == 12 and state["recipe"]["optim"]["steps"] == 12
    assert state["ema"]["steps"] == 12 and set(state["ema"]["values"]) == set(state["network"])


@pytest.mark.parametrize("stop_at", [4, 9])
def test_a_resumed_run_is_an_uninterrupted_one(start, assert_same, finished: Path, tmp_path: Path, stop_at: int):
    """Also when the cut falls between two lines of the log."""
    assert start(tmp_path, stop_at=stop_at).step == stop_at
    torch.manual_seed(99)  # whatever else the process draws meanwhile
    said: list[str] = []
    assert start(tmp_path, resume=True, say=said.append).step == 12
    assert_same(finished, tmp_path)
    assert said == []


def test_a_run_can_be_made_longer(start, finished: Path, tmp_path: Path):
    save_checkpoint(tmp_path / CHECKPOINT, load_checkpoint(finished / CHECKPOINT))
    said: list[str] = []
    assert start(tmp_path, "optim.steps=14", "optim.lr=1e-4", resume=True, say=said.append).step == 14
    assert said == ["The recipe differs from the checkpoint's in optim.steps, optim.lr."]
    assert [r["step"] for r in read_log(tmp_path / LOG)] == [14]


def test_a_finished_run_stays_as_it_is(start, finished: Path):
    before = {path.name: path.read_bytes() for path in finished.iterdir()}
    assert start(finished, resume=True).step == 12
    assert {path.name: path.read_bytes() for path in finished.iterdir()} == before


def test_other_pictures_are_noticed(finished: Path, tmp_path: Path, recipe, pictures: Path):
    save_checkpoint(tmp_path / CHECKPOINT, load_checkpoint(finished / CHECKPOINT))
    said: list[str] = []
    paths = sorted(pictures.iterdir())[:3]
    train(recipe("optim.steps=13").on(paths), tmp_path, resume=True, say=said.append)
    assert said[-1] == "The training pictures are not those of the checkpoint."


def test_checkpoints_of_the_first_version(start, finished: Path, tmp_path: Path):
    """Without the keys that came later, in the file and in its recipe."""
    state = load_checkpoint(finished / CHECKPOINT)
    recipe = {k: v for k, v in state["recipe"].items() if k != "run"}
    recipe["loss"] = {k: v for k, v in recipe["loss"].items() if k != "lpips_weights"}
    old = {k: state[k] for k in ("step", "network", "ema", "optimizer")} | {"recipe": recipe}
    save_checkpoint(tmp_path / CHECKPOINT, old)
    assert start(tmp_path, "optim.steps=13", resume=True).step == 13


def test_the_curve_is_drawn(start, tmp_path: Path):
    start(tmp_path, "run.log_every=1", stop_at=2, plot=True)
    assert (tmp_path / CURVE).stat().st_size > 10_000


def test_pictures_left_out_are_told(recipe, pictures: Path, tmp_path: Path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    said: list[str] = []
    train(recipe("optim.steps=1").on([pictures, tmp_path / "broken.png"]), tmp_path / "run", say=said.append)
    assert len(said) == 1 and said[0].startswith("1 pictures cannot be used, the first: ")


def test_resume_starts_a_run_that_has_no_checkpoint(start, assert_same, finished: Path, tmp_path: Path):
    """One command for machines that come and go."""
    said: list[str] = []
    assert start(tmp_path, resume=True, stop_at=5, say=said.append).step == 5
    assert said == [f"There is no checkpoint at {tmp_path / CHECKPOINT} yet: the run starts."]
    start(tmp_path, resume=True)
    assert_same(finished, tmp_path)


def test_a_run_knows_its_recipe_and_pictures(finished: Path, tmp_path: Path, recipe, pictures: Path):
    known = recipe_of(finished)
    assert known == recipe().on([pictures])
    assert recipe_of(finished, ["optim.steps=13"]).optim.steps == 13
    assert recipe_of(tmp_path) is None


def test_what_is_refused_before_anything_is_loaded(start, recipe, finished: Path, tmp_path: Path):
    with pytest.raises(UsageError, match=r"checkpoint\.pt exists; pass --resume"):
        start(finished)
    with pytest.raises(UsageError, match=r"Training needs --data PATH, or data\.paths"):
        train(recipe(), tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="is not a folder"):
        start(tmp_path / "file" / "run")
    with pytest.raises(PluginMissingError, match="nothing"):
        start(tmp_path / "run", "codec.name=nothing")
    with pytest.raises(InputError, match="Cannot use the device 'abacus'"):
        start(tmp_path / "run", device="abacus")


def test_resume_with_another_network(start, finished: Path, tmp_path: Path):
    save_checkpoint(tmp_path / CHECKPOINT, load_checkpoint(finished / CHECKPOINT))
    with pytest.raises(TrainingError, match="was made for another network"):
        start(tmp_path, "codec.options.tail=16", resume=True)


def test_a_value_that_is_not_finite_leaves_the_last_checkpoint(start, finished: Path, tmp_path: Path):
    state = load_checkpoint(finished / CHECKPOINT)
    next(iter(state["network"].values())).fill_(torch.nan)
    save_checkpoint(tmp_path / CHECKPOINT, state)
    before = (tmp_path / CHECKPOINT).read_bytes()
    with pytest.raises(TrainingError, match="not finite at step 12: module "):
        start(tmp_path, "optim.steps=20", resume=True)
    assert (tmp_path / CHECKPOINT).read_bytes() == before
