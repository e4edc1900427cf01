"""Generators on disk: files of other projects become ours, and ours become networks."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import torch

from codectk.base.errors import WeightsError
from codectk.nn.backend import move
from codectk.weights.manifest import WeightsEntry, find_entry
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors, read_metadata
from codectk_hsc.generators import mobilestylegan, random_face, stylegan2_files
from codectk_hsc.generators.arrays import MEAN, frozen, leading, mean_style
from codectk_hsc.generators.interface import Generator
from codectk_hsc.generators.mobilestylegan import MappingNetwork, MobileStyleGAN
from codectk_hsc.generators.stylegan2 import StyleGAN2

KEY = "generator"
"""Metadata key under which a file names its architecture."""

PRESET = "mobilestylegan-ffhq"
"""The generator of the shipped heads, as the manifest calls it."""

Build = Callable[[Mapping[str, np.ndarray], str], MobileStyleGAN | StyleGAN2]

BUILDERS: Mapping[str, Build] = {
    MobileStyleGAN.kind: mobilestylegan.from_arrays,
    StyleGAN2.kind: stylegan2_files.from_arrays,
}


def import_generator(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a generator from a file of another project.

    Args:
        path: the wheel of random-face, a MobileStyleGAN as safetensors, or a StyleGAN2 checkpoint.

    Returns:
        Arrays and metadata for one safetensors file. The same MobileStyleGAN gives the same ones, whichever file it
        came in: float16, and the mean style computed from the mapping network.

    Raises:
        WeightsError: none of these, or one that cannot be used.
    """
    if _is_package(path):
        arrays, kind = _kept(random_face.read_package(path), str(path)), MobileStyleGAN.kind
    elif _is_mobile(path):
        arrays, kind = _kept(load_tensors(path), str(path)), MobileStyleGAN.kind
    else:
        arrays, kind = stylegan2_files.read(path), StyleGAN2.kind
    BUILDERS[kind](arrays, str(path))  # refuses what is no network
    return arrays, {KEY: kind, "config": "generator"}


def load_generator(path: str | os.PathLike[str], device: str = "cpu") -> Generator:
    """The network of a file that `import_generator` made.

    Raises:
        WeightsError: no such file, or none that names a known architecture and fits it.
        InputError: torch does not know the device.
    """
    kind = read_metadata(path).get(KEY, "")
    if kind not in BUILDERS:
        raise WeightsError(f"{path} is no generator of faces; bring one in with codectk weights import hsc.")
    network = BUILDERS[kind](load_tensors(path), str(path))
    move(network, device)
    return network


def refuse_generator(path: Path) -> None:
    """Refuse a generator where heads are wanted.

    Raises:
        WeightsError: the file holds a generator.
    """
    if KEY in read_metadata(path):
        raise WeightsError(f"{path} holds a generator of faces, not the heads of codec 'hsc'.")


def preset_entry() -> WeightsEntry:
    """What the manifest says of the generator that the shipped heads were trained for."""
    return find_entry("codectk_hsc", PRESET)


def preset_path() -> Path:
    """The verified file of that generator.

    Raises:
        WeightsAbsentError: it was not fetched yet.
        WeightsError: it is damaged.
    """
    return resolve(preset_entry(), "codectk_hsc")


def _is_package(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.startswith(random_face.FOLDER) for name in archive.namelist())


def _is_mobile(path: Path) -> bool:
    try:
        return "mapping.0.weight" in load_tensors(path)
    except WeightsError:
        return False


def _kept(arrays: Mapping[str, np.ndarray], where: str) -> dict[str, np.ndarray]:
    """A MobileStyleGAN in the form in which it is kept."""
    kept = {name: value.astype(np.float16) for name, value in arrays.items() if name not in (MEAN, "w_std")}
    layers = {name.removeprefix("mapping."): kept[name] for name in kept if name.startswith("mapping.")}
    dim = leading(layers, "0.weight", 2, where)[1]
    with torch.device("meta"):
        mapping = MappingNetwork(dim, len(layers) // 2)
    return kept | {MEAN: mean_style(frozen(mapping, layers, where).double(), dim)}
