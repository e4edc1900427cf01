"""Weights files become codecs: the network that a file's metadata describe, plus verified tensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from codectk.base.errors import CodectkError, UsageError, WeightsError
from codectk.nn.backend import move
from codectk.nn.building import Building, OversizeError
from codectk.nn.guard import guard
from codectk.nn.storage import install
from codectk.spec.stages import Stages
from codectk.weights.manifest import find_entry
from codectk.weights.store import resolve, sha256_of
from codectk.weights.tensors import load_tensors, read_metadata

Build = Callable[[Mapping[str, Any]], nn.Module]
"""A plugin's builder of untrained networks: options -> a module whose `codec(hash, device)` wires its stages."""


def load_codec(package: str, name: str, build: Build, device: str = "cpu", weights: Path | None = None) -> Stages:
    """A codec of verified weights, or the preset of a plugin where none are given.

    For the hook `codectk_codec` of codecs that need more than their card can say; others name `network` and `preset`
    there.

    Args:
        package: the plugin's import name, such as "codectk_segpic".
        name: of the preset in its `weights.toml`.
        build: makes the network of the file's options.
        device: where it will run.
        weights: as the hook gets them.

    Raises:
        WeightsError: the file is missing, has another hash, or does not fit the network it names.
        InputError: torch does not know the device.
    """
    if weights is not None:
        return load_weights(weights, build, device)
    entry = find_entry(package, name)
    return load_weights(resolve(entry, package), build, device, sha256=entry.sha256)


def load_weights(path: Path, build: Build, device: str = "cpu", *, sha256: str = "") -> Stages:
    """A codec from a verified weights file; its metadata name the configuration.

    Args:
        path, build, device: see `load_codec`.
        sha256: the file's, if it is known.

    Raises:
        WeightsError, InputError: as `load_codec`.
    """
    with guard():
        network = _network(path, build)
        install(network, load_tensors(path))
        move(network, device)
        network.to(memory_format=torch.channels_last)
        stages: Stages = network.codec(sha256 or sha256_of(path), device)  # type: ignore[operator]
    return replace(stages, network=network, training=_training(path))


def _training(path: Path) -> Mapping[str, Any]:
    """The recipe in a file's metadata, or nothing."""
    try:
        told = json.loads(read_metadata(path).get("recipe", "{}"))
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _network(path: Path, build: Build) -> nn.Module:
    """The untrained network that a file's metadata describe: `options` (JSON), or `config` alone.

    Shapes are compared afterwards, so what is built first must not be larger than the file could fill.
    """
    metadata = read_metadata(path)
    told = {"config": metadata["config"]} if "config" in metadata else {}
    try:
        with Building(path.stat().st_size):
            return build({**told, **json.loads(metadata.get("options", "{}"))})
    except CodectkError as error:
        if not isinstance(error, UsageError | OversizeError):
            raise
        raise WeightsError(f"{path} is for a network that the installed plugin cannot build: {error}") from error
    except Exception as error:  # options of strangers may lead a builder anywhere
        reason = " ".join(str(error).split()) or type(error).__name__
        raise WeightsError(f"{path} is for a network that the installed plugin cannot build: {reason}") from error
