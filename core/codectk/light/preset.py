"""Weights files and the graphs beside them become light codecs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from codectk.light.backend import ChannelsFirst
from codectk.light.graphs import SUFFIX, Parts, configuration, read_graphs
from codectk.spec.light import Light
from codectk.spec.stages import Stages
from codectk.weights.manifest import find_entry, package_folder
from codectk.weights.store import resolve, sha256_of
from codectk.weights.tensors import load_tensors, read_metadata


class LightParts(NamedTuple):
    """What a light codec is wired of: parts, the options of their network, and the sha256 of its weights."""

    parts: Parts
    options: Mapping[str, Any]
    sha256: str


def light_parts(light: Light, package: str, weights: Path | None) -> LightParts | None:
    """The parts of a preset or of other weights; None where there are no graphs for them.

    Args:
        light: how the codec is wired.
        package: the plugin's import name, such as "codectk_segpic".
        weights: a weights file, or None for the preset.

    Raises:
        WeightsError: a file is missing or damaged.
    """
    entry = find_entry(package, light.preset)
    path = resolve(entry, package) if weights is None else weights
    options = configuration(read_metadata(path))
    # Graphs fit all weights of their configuration, so those of the preset serve others, too.
    for place in (path, package_folder(package) / entry.file):
        file = read_graphs(place.with_suffix(SUFFIX))
        if file is not None and file.configuration == options:
            sha256 = entry.sha256 if weights is None else sha256_of(path)
            return LightParts(Parts(file, load_tensors(path)), options, sha256)
    return None


def wire_light(light: Light, parts: LightParts) -> Stages:
    """The codec, see `Light.wire`."""
    return light.wire(*parts, ChannelsFirst())
