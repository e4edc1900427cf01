"""What the benchmarks share: options of one name and meaning, and results that say where they come from."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from codectk.base.atomic import atomic_write
from codectk.base.plain import to_json
from codectk.eval.provenance import machine, picture_digest, set_digest, versions

OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "--pictures": {"type": Path, "required": True, "help": "folder of PNGs"},
    "--kodak": {"type": Path, "required": True, "help": "folder of the Kodak pictures"},
    "--kept-out": {"type": Path, "required": True, "help": "folder of outdoor pictures not trained on"},
    "--data": {"type": Path, "default": Path("../shared/data"), "help": "folder of the face packs"},
    "--decoded": {"nargs": "+", "required": True, "metavar": "LABEL=FOLDER", "help": "decoded pictures"},
    "--suffix": {"default": "", "help": "between a picture's name and .png in these folders"},
    "--codec": {"default": "sgc", "help": "name, bundle, weights file, or a training's checkpoint"},
    "--quality": {"type": float, "help": "of the rate knob"},
    "--steps": {"type": int, "help": "of painting; by default the codec's"},
    "--keep": {"type": Path, "help": "folder for coded and decoded pictures"},
    "--lpips-weights": {"type": Path, "help": "AlexNet of LPIPS v0.1"},
    "--fid-weights": {"type": Path, "help": "Inception-v3 of FID"},
    "--layers": {"type": int, "nargs": "+", "help": "numbers of layers to decode"},
    "--side": {"type": int, "help": "of the pictures in pixels"},
    "-n": {"type": int, "help": "pictures at most"},
    "--out": {"type": Path, "required": True, "help": "where the results go"},
}
"""Options by name; a benchmark takes those it needs and may change what it must."""


def options(parser: argparse.ArgumentParser, *names: str, **changed: Mapping[str, Any]) -> None:
    """Add options of `OPTIONS`.

    Args:
        parser: of one benchmark, or of one of its verbs.
        names: of the options.
        changed: what is different for one of them, by its name without dashes in front and "_" for "-".
    """
    for name in names:
        parser.add_argument(name, **{**OPTIONS[name], **changed.get(name.strip("-").replace("-", "_"), {})})


def save(
    path: Path | str, results: Mapping[str, Any], pictures: Iterable[np.ndarray] = (), more: Iterable[str] = ()
) -> None:
    """Write results as JSON, with command, machine, versions, and the hash of what was measured on.

    Args:
        path: the file.
        results: plain values.
        pictures: uint8 (H, W, 3), if any.
        more: further distributions whose versions matter.
    """
    shown = list(pictures)
    known = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]]),
        "machine": machine("cpu"),
        "versions": versions(*more),
        **({"set": set_digest(map(picture_digest, shown))} if shown else {}),
    }
    with atomic_write(path) as file:
        file.write((to_json({**results, **known}, indent=1) + "\n").encode())
