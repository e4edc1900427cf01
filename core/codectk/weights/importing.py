"""Weights from outside come into the store."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from codectk.base.errors import InputError, UsageError, WeightsError
from codectk.plugins import manager
from codectk.weights import store
from codectk.weights.locate import CODEC
from codectk.weights.manifest import read_manifest
from codectk.weights.tensors import read_metadata

if TYPE_CHECKING:
    import numpy as np


def import_file(codec: str, source: str | os.PathLike[str], name: str | None = None) -> Path:
    """Bring weights for a codec into the store.

    A safetensors file that names the codec, or that the manifest of its plugin knows, is copied; anything else is for
    the plugin to read.

    Args:
        codec: codec name.
        source: a file, or whatever the plugin reads.
        name: what to call them; by default the name the plugin's manifest has for this very file, or for what
            became of it, else one made of the file's.

    Returns:
        Where they are now, `<name>-<first 8 digits of the sha256>.safetensors`.

    Raises:
        InputError: there is nothing at `source`.
        UsageError: the plugin reads no weights of other projects.
        WeightsError: the file is not what the plugin reads, is for another codec, or has a bad name.
        OutputError: the store cannot be written.
        PluginError: no usable plugin offers the codec.
    """
    path = Path(source)
    _, record = manager.find_codec(codec)
    if not path.exists():
        raise InputError(f"There is no file {path}.")
    metadata = _metadata(path)
    listed = {entry.sha256: entry.name for entry in read_manifest(record.package)}
    if metadata is not None:
        digest = store.sha256_of(path)
        known = listed.get(digest)
        owner = metadata.get(CODEC)
        if owner not in (None, codec):
            raise WeightsError(f"{path} has weights for codec '{owner}', not '{codec}'.")
        if owner or known:
            return store.add(path, name or known or store.name_from(path), sha256=digest)
    arrays, texts = read_foreign(codec, path)
    known_names = None if name else listed
    return store.save(arrays, {**texts, CODEC: codec}, name or store.name_from(path), known=known_names)


def read_foreign(codec: str, path: Path) -> tuple[Mapping[str, np.ndarray], Mapping[str, str]]:
    """Let the plugin of `codec` read a checkpoint of another project.

    Returns:
        Arrays by name, and metadata.

    Raises:
        UsageError: the plugin reads none.
        WeightsError: the file is not such a checkpoint.
        PluginError: no usable plugin offers the codec, or it failed.
    """
    _, record = manager.find_codec(codec)
    read = manager.load_record(record).call("codectk_weights_import", codec=codec, path=path)
    if read is None:
        raise UsageError(f"Codec '{codec}' of {record.owner} imports no weights of other projects.")
    if not (isinstance(read, tuple) and len(read) == 2 and all(isinstance(part, Mapping) for part in read)):
        raise manager.broken(record, f"imported something else than arrays and metadata from {path}.")
    return read


def _metadata(path: Path) -> dict[str, str] | None:
    """Metadata of a safetensors file, or None if it is none."""
    try:
        return read_metadata(path)
    except WeightsError:
        return None
