"""From a checkpoint to a weights file that codes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codectk.base.errors import TrainingError
from codectk.nn.storage import Arrays, install, to_arrays
from codectk.train.checkpoint import load_checkpoint
from codectk.train.network import build, fresh
from codectk.train.recipe import Recipe, from_dict
from codectk.weights.manifest import WeightsEntry
from codectk.weights.store import sha256_of
from codectk.weights.tensors import save_tensors


@dataclass(frozen=True)
class Exported:
    """A weights file that was written. `step`: training steps behind it."""

    path: Path
    bytes: int
    sha256: str
    codec: str
    step: int

    def entry(self, licence: str = "") -> WeightsEntry:
        """The manifest's entry, with what a checkpoint cannot know left empty."""
        name = self.path.stem.lower()
        return WeightsEntry(
            name, f"weights/{self.path.name}", self.sha256, self.bytes, licence,
            source=f"codectk train, {self.step} steps", recipe="in the file's metadata",
        )  # fmt: skip


def _shareable(recipe: Recipe) -> dict[str, Any]:
    """The recipe with files named by their last folder and name: the rest of a path is nobody else's business."""
    nested = recipe.as_dict()
    for section, key in (("data", "labels"), ("stage", "start"), ("discriminator", "start"), ("loss", "lpips_weights")):
        if value := nested[section][key]:
            nested[section][key] = _short(value)
    for section in ("data", "validation"):
        nested[section]["paths"] = [_short(path) for path in nested[section]["paths"]]
    weights = nested["stage"]["weights"]
    nested["stage"]["weights"] = {prefix: _short(source) for prefix, source in weights.items()}
    return nested


def _short(path: str) -> str:
    return "/".join(Path(path).parts[-2:])


def export(checkpoint: Path, path: Path, *, raw: bool = False) -> Exported:
    """Write the weights of a checkpoint, with integer layers frozen and coding tables built.

    The file's metadata hold `codec`, `options` and `recipe` (JSON), `step`, and `config` if the options name one; those
    of a hybrid have its recipe (TOML) as `graph` in place of `codec`.

    Args:
        checkpoint: of a training run.
        path: a safetensors file to be.
        raw: take the weights as trained instead of their moving average.

    Raises:
        TrainingError: not a checkpoint, one without a codec, or one that the installed plugin's network does not fit.
        WeightsError: the weights cannot be stored, or break an exactness bound.
        PluginError: the codec is not installed.
        OutputError: the file cannot be written.
    """
    state = load_checkpoint(checkpoint)
    recipe = from_dict(state["recipe"], str(checkpoint))
    if not state["network"]:
        raise TrainingError(f"{checkpoint} holds no codec; it is from training a discriminator alone.")
    name, options = recipe.codec.name, recipe.codec.options
    network = build(recipe)
    try:
        network.load_state_dict(state["network"] if raw else state["ema"]["values"])
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise TrainingError(f"{checkpoint} does not fit the network of codec '{name}': {reason}") from error
    arrays: Arrays = to_arrays(network)
    install(fresh(recipe), arrays)  # what cannot be loaded is not written
    # A hybrid's weights are for a recipe; nobody can name it as a codec.
    owner = {"codec": name} if recipe.graph is None else {"graph": recipe.graph.toml()}
    metadata = {
        **owner,
        "options": json.dumps(options),
        "recipe": json.dumps(_shareable(recipe)),
        "step": str(state["step"]),
    }
    if isinstance(options.get("config"), str):
        metadata["config"] = options["config"]
    save_tensors(path, arrays, metadata)
    return Exported(path, path.stat().st_size, sha256_of(path), name, state["step"])
