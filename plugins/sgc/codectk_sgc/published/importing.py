"""The two published checkpoints become one weights file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from codectk.base.errors import WeightsError
from codectk_sgc.entropy import load_arrays
from codectk_sgc.network import build
from codectk_sgc.published.deeplab import deeplab_arrays, is_deeplab
from codectk_sgc.published.ldm import is_ldm, ldm_arrays
from codectk_sgc.published.reading import State, opened
from codectk_sgc.published.taking import Arrays

FULL: Mapping[str, Any] = {"config": "full"}

SUFFIXES = (".zip", ".ckpt", ".pth", ".pt")

FILES = {
    "the diffusion model": "semantic_synthesis.zip of latent diffusion, or its model.ckpt",
    "the segmenter": "deeplabv2_resnet101_msc-cocostuff164k-100000.pth of deeplab-pytorch",
}
"""The checkpoints by what they hold."""


def import_published(path: Path, options: Mapping[str, Any] = FULL) -> tuple[Arrays, dict[str, str]]:
    """Read both checkpoints into arrays for one weights file, and metadata.

    Args:
        path: a folder with both.
        options: the network they are for, as in `network.build`.

    Raises:
        WeightsError: one is missing, there are several of a kind, or one is not what it should be; the sentence names
            the file, and the first tensor that is missing or does not fit.
    """
    with torch.device("meta"):
        network = build(options)
    shapes = {name: value.shape for name, value in network.state_dict().items()}
    with ExitStack() as stack:
        found = _found(path, stack)
        diffusion, segmenter = (found[what] for what in FILES)
        arrays = {
            **deeplab_arrays(segmenter[1], shapes, str(segmenter[0])),
            **ldm_arrays(diffusion[1], network.config, shapes, str(diffusion[0])),
            **{f"coders.{name}": array for name, array in load_arrays().items()},
        }
    source = ", ".join(file.name for file, _ in found.values())
    return arrays, {"config": str(options["config"]), "options": json.dumps(dict(options)), "source": source}


def _found(path: Path, stack: ExitStack) -> dict[str, tuple[Path, State]]:
    """Both checkpoints by what they hold, open until `stack` is closed."""
    files = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES) if path.is_dir() else [path]
    found: dict[str, tuple[Path, State]] = {}
    unread: list[str] = []
    for file in files:
        try:
            state = stack.enter_context(opened(file))
        except WeightsError as error:
            if not path.is_dir():
                raise
            unread.append(str(error))  # it may not be one of the two
            continue
        what = _what(state)
        if what is None:
            unread.append(f"{file} holds something else.")
        elif what in found:
            raise WeightsError(
                f"{path} has {what} twice, in {found[what][0].name} and in {file.name}; leave one there."
            )
        else:
            found[what] = (file, state)
    missing = [what for what in FILES if what not in found]
    if missing:
        raise WeightsError(_what_is_missing(path, missing, unread))
    return found


def _what(state: State) -> str | None:
    diffusion, segmenter = FILES
    return diffusion if is_ldm(state) else segmenter if is_deeplab(state) else None


def _what_is_missing(path: Path, missing: list[str], unread: list[str]) -> str:
    wanted = " and ".join(f"{what} ({FILES[what]})" for what in missing)
    if not path.is_dir():
        start = (
            f"{path} is neither of the two checkpoints that SGC is made of"
            if len(missing) > 1
            else (f"{path} has {next(what for what in FILES if what not in missing)}; SGC also needs {wanted}")
        )
        return f"{start}: put both into one folder and import that folder."
    return " ".join([f"{path} lacks {wanted}.", *unread[:1]])
