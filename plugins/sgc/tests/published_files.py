"""A folder with both published checkpoints, at small widths, in the containers in which they are on the web."""

from __future__ import annotations

import sys
import types
import zipfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import torch

Tensors = dict[str, torch.Tensor]


class Published:
    """Makes the files.

    Args:
        folder: where to; does not exist yet.
    """

    options: dict[str, Any] = {  # noqa: RUF012
        "config": "full", "widths": [8, 16, 32], "groups": 4, "vq_widths": [8, 16, 24], "vq_groups": 4, "codes": 40,
        "seg_width": 4, "seg_blocks": [1, 1, 2, 1],
    }  # fmt: skip
    ldm, deeplab = "semantic_synthesis.zip", "deeplabv2_resnet101_msc-cocostuff164k-100000.pth"

    def __init__(self, folder: Path):
        self.folder = folder
        folder.mkdir()

    def diffusion(self, state: Tensors, name: str = ldm, **beside: Any) -> Path:
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

    def segmenter(self, state: Tensors, name: str = deeplab, *, old: bool = True) -> Path:
        # The published file is older than torch's zip format.
        torch.save(state, self.folder / name, _use_new_zipfile_serialization=not old)
        return self.folder / name
