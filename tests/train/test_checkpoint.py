"""Checkpoints: whole or not at all, and read without running code."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import pytest
import torch

from codectk.base.errors import OutputError, TrainingError
from codectk.train.checkpoint import KEYS, load_checkpoint, save_checkpoint

STATE = {**dict.fromkeys(KEYS, 0), "network": {"w": torch.arange(1000.0)}}


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return os.system, ("exit 1",)


class Breaks:
    """Raises in the middle of writing, after tensors went out."""

    def __reduce__(self) -> tuple[object, ...]:
        raise RuntimeError("the program died here")


def test_round_trip(tmp_path: Path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    loaded = load_checkpoint(path)
    assert torch.equal(loaded["network"]["w"], STATE["network"]["w"]) and loaded["step"] == 0


def test_a_crash_while_writing_leaves_the_old_one(tmp_path: Path):
    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    before = path.read_bytes()
    with pytest.raises(OutputError, match="the program died here"):
        save_checkpoint(path, {**STATE, "step": 1, "bad": Breaks()})
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["checkpoint.pt"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_leaves_the_old_one(tmp_path: Path):
    import resource

    path = tmp_path / "checkpoint.pt"
    save_checkpoint(path, STATE)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, limits[1]))
    try:
        with pytest.raises(OutputError, match=r"Cannot write .*checkpoint\.pt"):
            save_checkpoint(path, {**STATE, "step": 1})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["checkpoint.pt"]


def test_files_that_are_none(tmp_path: Path):
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(TrainingError, match=r"There is no checkpoint at .*checkpoint\.pt"):
        load_checkpoint(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(TrainingError, match="is refused: it is no checkpoint"):
        load_checkpoint(path)
    torch.save({"step": 1}, path)
    with pytest.raises(TrainingError, match="is not a codectk checkpoint"):
        load_checkpoint(path)
    save_checkpoint(path, STATE)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(TrainingError, match="cannot be read as a checkpoint"):
        load_checkpoint(path)


@pytest.mark.parametrize("write", [torch.save, lambda state, path: path.write_bytes(pickle.dumps(state, protocol=2))])
def test_code_in_a_file_does_not_run(tmp_path: Path, write, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "checkpoint.pt"
    write({**dict.fromkeys(KEYS, 0), "step": Evil()}, path)
    monkeypatch.setattr(os, "system", lambda command: pytest.fail("code in a checkpoint ran"))
    with pytest.raises(TrainingError, match="could run code"):
        load_checkpoint(path)
