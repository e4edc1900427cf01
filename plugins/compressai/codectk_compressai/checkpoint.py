"""Checkpoints of CompressAI become weights files: the zoo's, and those of its training code.

Read as pickles of tensors and nothing else. A weights file depends on the checkpoint's content alone, not on its name,
so that all who import the same checkpoint get the same hash, and can read each other's files.

Coding tables are stored, so that no decoder makes them in floats. Those of the checkpoint are taken if they are what
CompressAI makes of the weights, save for rounding, and not those of an earlier epoch.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codectk.base.errors import WeightsError
from codectk.weights.pickles import read_state
from codectk.weights.store import sha256_of
from codectk_compressai.library import owner, published, rename_keys
from codectk_compressai.network import SCALES, UNSTORED, arrays_of, make_model
from codectk_compressai.presets import Preset
from codectk_compressai.rules import MAIN, SIDE
from codectk_compressai.tables import pack, tables_of

MAX_SUPPORT = 1 << 15
"""Most integers that the density of a channel may span."""

BUFFERS = ("_quantized_cdf", "_cdf_length", "_offset", "scale_table")
"""What an entropy model derives from its weights."""

TOLERANCE = 1 << 6
"""Most by which two cumulative counts of 2^16 differ if both were made of the same weights."""


def import_checkpoint(preset: Preset, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a checkpoint into arrays for one weights file, and metadata.

    Args:
        preset: the codec it is for. Any widths will do; they follow from the tensors.
        path: a state dict, or a checkpoint with one under "state_dict" or "network".

    Raises:
        WeightsError: not such a checkpoint, a damaged one of the zoo, or one that the zoo has for another codec.
    """
    digest = sha256_of(path)
    _check_published(preset, path, digest)
    state = rename_keys(read_state(path, within=("state_dict", "network")))
    derived = (*UNSTORED, SCALES)
    model = make_model(preset, {name: value for name, value in state.items() if name not in derived}, str(path))
    _check_values(model, path)
    model.update(force=True)
    tables = {}
    for name in (SIDE, MAIN):
        if hasattr(model, name):
            entropy_model = getattr(model, name)
            _take_tables(entropy_model, {buffer: state.get(f"{name}.{buffer}") for buffer in BUFFERS})
            tables[name] = tables_of(entropy_model)
    metadata = {
        "architecture": preset.architecture,
        "config": f"N={model.N}, M={model.M}",
        "source_sha256": digest,
    }
    known = published(preset)
    if known and digest.startswith(known.sha256):
        metadata["source"] = known.file
    return arrays_of(model) | pack(tables), metadata


def _take_tables(entropy_model: Any, theirs: Mapping[str, Tensor | None]) -> None:
    """Replace tables that were just made by those of the checkpoint, if they differ by no more than rounding does."""
    cdf, sizes, offsets, scales = theirs.values()
    own = entropy_model._quantized_cdf
    if cdf is None or sizes is None or offsets is None or cdf.shape != own.shape:
        return
    if not torch.equal(sizes.int(), entropy_model._cdf_length) or not torch.equal(offsets.int(), entropy_model._offset):
        return
    own_scales = getattr(entropy_model, "scale_table", None)
    if own_scales is not None:
        if scales is None or scales.shape != own_scales.shape or not torch.allclose(scales, own_scales, rtol=1e-5):
            return
        entropy_model.scale_table = scales.clone()
    if int((cdf.long() - own.long()).abs().max()) <= TOLERANCE:
        entropy_model._quantized_cdf = cdf.int()


def _check_published(preset: Preset, path: Path, digest: str) -> None:
    """Hold a file to what the zoo says about it."""
    theirs = owner(digest)
    if theirs not in (None, preset.name):
        raise WeightsError(f"{path} is what CompressAI published for '{theirs}', not for '{preset.name}'.")
    known = published(preset)
    if known and path.name == known.file and not digest.startswith(known.sha256):
        raise WeightsError(f"{path} is damaged: its sha256 should start with {known.sha256}, and is {digest}.")


def _check_values(model: Any, path: Path) -> None:
    for name, value in model.named_parameters():
        if not torch.isfinite(value).all():
            raise WeightsError(f"{path} is of no use: '{name}' has values that are not finite.")
    quantiles = model.entropy_bottleneck.quantiles
    if float(quantiles.max() - quantiles.min()) > MAX_SUPPORT:
        raise WeightsError(f"{path} is of no use: the densities of '{SIDE}' span more than {MAX_SUPPORT} integers.")
