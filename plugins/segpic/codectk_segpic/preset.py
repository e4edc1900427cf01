"""Weights files become codecs: a configuration plus verified tensors."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from codectk.base.errors import InputError, UsageError, WeightsError
from codectk.nn.memory import keep_freed_memory
from codectk.nn.storage import install
from codectk.spec.stages import Codec
from codectk.weights.manifest import read_manifest
from codectk.weights.store import resolve, sha256_of
from codectk.weights.tensors import load_tensors, read_metadata
from codectk_segpic.network import Network, build

PACKAGE = "codectk_segpic"


def load_preset(name: str, device: str = "cpu") -> Codec:
    """A codec from the weights the manifest lists under `name`.

    Raises:
        WeightsError: the file is missing, has another hash, or does not fit the network it names.
        InputError: torch does not know the device.
    """
    entry = next((entry for entry in read_manifest(PACKAGE) if entry.name == name), None)
    if entry is None:
        raise WeightsError(f"codectk-segpic lists no weights named {name}.")
    return _codec(resolve(entry, PACKAGE), entry.sha256, device)


def load_weights(path: Path, device: str = "cpu") -> Codec:
    """A codec from a verified weights file; its metadata name the configuration.

    Raises:
        WeightsError, InputError: as `load_preset`.
    """
    return _codec(path, sha256_of(path), device)


def _codec(path: Path, sha256: str, device: str) -> Codec:
    keep_freed_memory()
    network = _network(path)
    install(network, load_tensors(path))
    try:
        network.to(device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"cannot use the device '{device}': {str(error).splitlines()[0]}") from error
    network.to(memory_format=torch.channels_last)
    return network.codec(sha256, device)


def _network(path: Path) -> Network:
    """The untrained network that a file's metadata describe: `options` (JSON), or `config` alone."""
    metadata = read_metadata(path)
    try:
        return build({"config": metadata.get("config", ""), **json.loads(metadata.get("options", "{}"))})
    except (UsageError, ValueError, TypeError) as error:
        raise WeightsError(f"{path} is for a network that this codectk-segpic cannot build: {error}") from error
