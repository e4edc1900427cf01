"""From a checkpoint to a weights file that codes; from a checkpoint, a weights file or a bundle to a bundle."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from codectk.base.errors import InputError, TrainingError, UsageError, WeightsError
from codectk.graph.recipe import Graph, Part, parse_graph
from codectk.nn.storage import Arrays, install, to_arrays
from codectk.plugins import discover, manager
from codectk.train.checkpoint import load_checkpoint
from codectk.train.network import build
from codectk.train.settings import Recipe, from_dict
from codectk.weights.bundle import SUFFIX, Bundle, read_bundle, write_bundle
from codectk.weights.bundle_card import BundleCard, NeededPlugin, Result
from codectk.weights.locate import CODEC
from codectk.weights.manifest import WeightsEntry
from codectk.weights.store import sha256_of
from codectk.weights.tensors import read_metadata, save_tensors

NO_LICENCE = "none given"
"""Stands in a card where nobody may use the weights but their maker."""

GRAPH = "graph"
"""Metadata key under which weights of several plugins' components carry their recipe."""


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
    install(network, arrays)  # what cannot be loaded is not written
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


def export_bundle(
    source: Path,
    path: Path,
    *,
    raw: bool = False,
    title: str = "",
    licence: str = "",
    data: str = "",
    results: Path | None = None,
) -> Bundle:
    """Write a bundle, named after its file.

    Args:
        source: a training checkpoint, a weights file (.safetensors) that says what it is for, or another bundle.
        path: the bundle to be.
        raw: of a checkpoint, take the weights as trained instead of their moving average.
        title, licence, data: for the card; by default those of the source, where it has some.
        results: JSON of `codectk eval` of exactly this source, for the card.

    Raises:
        UsageError: `raw` without a checkpoint.
        InputError: the source or the results cannot be read.
        WeightsError: the weights do not say what they are for, the results are of other weights, or the card would
            break a rule.
        PluginError: a plugin is missing.
        TrainingError, OutputError: as `export.export`.
    """
    with _opened(source, raw) as (weights, known, hashes):
        metadata = read_metadata(weights)
        graph = _graph(metadata, known, title or (known.card.title if known else ""), source)
        card = BundleCard(
            name=path.stem.lower(),
            title=graph.title,
            licence=licence or (known.card.licence if known else NO_LICENCE),
            plugins=_plugins(graph),
            data=data or (known.card.data if known else ""),
            training=_training(metadata),
            steps=int(steps) if (steps := metadata.get("step", "")).isdecimal() else 0,
            results=known.card.results if known else (),
        )
        if results is not None:
            card = replace(card, results=_results(results, hashes))
        return write_bundle(path, card, replace(graph, name=card.name).toml(), weights)


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


@contextmanager
def _opened(source: Path, raw: bool) -> Iterator[tuple[Path, Bundle | None, set[str]]]:
    """The source's weights as a file, its bundle if it is one, and the hashes by which results may name it."""
    suffix = source.suffix.lower()
    if suffix in (SUFFIX, ".safetensors") and raw:
        raise UsageError(f"{source} holds finished weights; only a checkpoint has some as trained.")
    if suffix == SUFFIX:
        bundle = read_bundle(source)
        with bundle.unpacked() as weights:
            yield weights, bundle, {bundle.sha256, sha256_of(weights)}
    elif suffix == ".safetensors":
        yield source, None, {sha256_of(source)}
    else:
        with tempfile.TemporaryDirectory(prefix="codectk-export-") as folder:
            done = export(source, Path(folder, f"{source.stem}.safetensors"), raw=raw)
            yield done.path, None, {done.sha256}


def _graph(metadata: dict[str, str], known: Bundle | None, title: str, source: Path) -> Graph:
    """What the weights are for."""
    if known is not None:
        graph = parse_graph(known.recipe, str(source))
    elif metadata.get(GRAPH):
        graph = parse_graph(metadata[GRAPH], str(source))
    elif codec := metadata.get(CODEC):
        manager.find_codec(codec)
        steps = metadata.get("step")
        graph = Graph(codec, f"{codec}, {steps} steps of training" if steps else codec, Part(codec), {})
    else:
        raise WeightsError(f"{source} does not say which codec or recipe its weights are for.")
    if graph.codec is not None:
        graph = replace(graph, codec=replace(graph.codec, options={}))  # the weights have them
    return replace(graph, title=title or graph.title, weights="")


def _plugins(graph: Graph) -> tuple[NeededPlugin, ...]:
    names = graph.plugins if graph.codec is None else (manager.find_codec(graph.codec.name)[1].name,)
    records = {record.name: record for record in discover.discover()}
    return tuple(NeededPlugin(name, records[name].distribution, records[name].version) for name in names)


def _training(metadata: dict[str, str]) -> str:
    """In a few words; the whole recipe stays in the metadata of the weights."""
    if "recipe" not in metadata:
        return metadata.get("source", "")
    recipe = json.loads(metadata["recipe"])
    opponent = recipe.get("discriminator", {}).get("name")
    start = recipe.get("stage", {}).get("start")
    words = ["codectk train", f"against {opponent}" if opponent else "", f"from {start}" if start else ""]
    return " ".join(filter(None, words)) + "; the recipe is in the weights"


def _results(path: Path, hashes: set[str]) -> tuple[Result, ...]:
    """Means of an evaluation, as far as it measured weights with one of these hashes."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != "codectk-eval/1":
            raise ValueError(f"its format is {found['format']}")
        names = [name for name, codec in found["codecs"].items() if codec.get("weights_sha256") in hashes]
        count = len(found["pictures"]["names"])
        pictures = found["pictures"].get("known") or f"{count} picture{'s' * (count != 1)}"
        results = [_result(name, pictures, point) for name in names for point in found["curves"][name]["points"]]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not what codectk eval --json writes: {error}.") from error
    if not results:
        raise WeightsError(f"{path} has no results of these weights.")
    return tuple(results)


def _result(name: str, pictures: str, point: dict[str, Any]) -> Result:
    values = {key: point[key] for key in ("bpp", "psnr", "ms_ssim")} | point["scores"]
    kept = {key: round(value, 5) for key, value in values.items() if value is not None}
    return Result(f"{pictures}, {name} at {point['setting']}", kept)
