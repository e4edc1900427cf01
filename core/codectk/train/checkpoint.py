"""Checkpoints: written atomically, read safely."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from codectk.base.atomic import atomic_write
from codectk.base.errors import OutputError, TrainingError, WeightsError
from codectk.weights.pickles import read_checkpoint

KEYS = {"step", "network", "ema", "optimizer", "recipe"}


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write a checkpoint, whole or not at all.

    Raises:
        OutputError: it cannot be written; the old one stays.
    """
    with atomic_write(path) as file:
        try:
            torch.save(state, file)
        except RuntimeError as error:  # how torch's writer reports that the file took no more
            raise OutputError(f"Cannot write {path}: {str(error).splitlines()[0]}") from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU without running code from it.

    Returns:
        Its `step`, `network` and `optimizer` state dicts, `ema` (`steps`, `values`), `recipe` as nested mappings;
        newer ones also have `window` (sums for the next log line) and `data` (see `Steps.digest`). With a
        discriminator there is `discriminator` (`names` of its trained parameters, `state`, `optimizer`); if it was
        trained alone, the codec's parts are empty.

    Raises:
        TrainingError: the file is missing or not a checkpoint of ours.
    """
    if not path.is_file():
        raise TrainingError(f"There is no checkpoint at {path}.")
    try:
        state = read_checkpoint(path, mapped=False)  # a run goes on to replace the file
    except WeightsError as error:
        raise TrainingError(str(error)) from error
    if not isinstance(state, dict) or not set(state) >= KEYS:
        raise TrainingError(f"{path} is not a codectk checkpoint.")
    return state
