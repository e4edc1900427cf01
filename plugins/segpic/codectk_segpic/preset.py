"""Presets: a configuration plus a verified weights file."""

from __future__ import annotations

import torch

from codectk.base.errors import InputError, WeightsError
from codectk.nn.memory import keep_freed_memory
from codectk.nn.storage import install
from codectk.spec.stages import Codec
from codectk.weights.manifest import read_manifest
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors, read_metadata
from codectk_segpic.network import build

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
    path = resolve(entry, PACKAGE)
    keep_freed_memory()
    network = build({"config": read_metadata(path).get("config", "")})
    install(network, load_tensors(path))
    try:
        network.to(device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"cannot use the device '{device}': {str(error).splitlines()[0]}") from error
    network.to(memory_format=torch.channels_last)
    return network.codec(entry.sha256, device)
