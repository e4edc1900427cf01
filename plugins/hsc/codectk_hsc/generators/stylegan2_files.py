"""StyleGAN2 checkpoints in the two common layouts.

The PyTorch reimplementation: a torch dict with `g_ema` and maybe `latent_avg`; encoders trained with it have the same
tensors under `decoder.`. The official networks: names such as `synthesis.b8.conv0.weight`, as a plain state dict or a
safetensors file. Their usual pickles hold code and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codectk.base.errors import WeightsError
from codectk.weights.pickles import read_checkpoint
from codectk.weights.tensors import load_tensors
from codectk_hsc.generators.arrays import frozen, leading, mean_style
from codectk_hsc.generators.interface import NARROW
from codectk_hsc.generators.stylegan2 import FIR, MappingNetwork, StyleGAN2

OFFICIAL = "synthesis.b4.const"
"""A tensor that tells the official layout."""

ADVICE = (
    "if you trust it, open it with the program it comes from, write torch.save(G_ema.state_dict(), 'generator.pt'), "
    "and use that file"
)
"""For a pickle with more in it than tensors."""

_KERNEL = re.compile(r"(^|\.)(kernel|resample_filter)$")
_MEANS = ("mean", "latent_avg", "mapping.w_avg")


def from_arrays(arrays: Mapping[str, np.ndarray], where: str) -> StyleGAN2:
    """Build the network whose widths the arrays have.

    Args:
        arrays: by the names in `stylegan2`.
        where: how to call the file in messages.

    Raises:
        WeightsError: a tensor is missing, superfluous, of another shape or not finite.
    """
    channels = {NARROW: leading(arrays, "input.input", 4, where)[1]}
    while f"convs.{2 * len(channels) - 1}.conv.weight" in arrays:
        name = f"convs.{2 * len(channels) - 1}.conv.weight"
        channels[2 * max(channels)] = leading(arrays, name, 5, where)[1]
    if len(channels) < 2:
        raise WeightsError(f"{where} is no StyleGAN2 generator: it has no layers above {NARROW} pixels.")
    depth = _depth(arrays)
    dim = leading(arrays, "mean", 2, where)[1]
    with torch.device("meta"):
        network = StyleGAN2(dim, depth, channels)
    return frozen(network, arrays, where)


def read(path: Path) -> dict[str, np.ndarray]:
    """The generator of a checkpoint under our names, with `mean` (computed where the file has none).

    Raises:
        WeightsError: the file cannot be read safely, or holds no such generator.
    """
    where = str(path)
    state, mean = _generator(_contents(path))
    if OFFICIAL in state:
        state = _renamed(state)
    arrays = {}
    for name, value in state.items():
        if _KERNEL.search(name):
            _check_kernel(name, value, where)
        else:
            arrays[name] = value
    found = [value for value in (mean, *(arrays.pop(name, None) for name in _MEANS)) if value is not None]
    arrays["mean"] = _spread(found[0] if found else _computed_mean(arrays, where), arrays)
    return arrays


def _contents(path: Path) -> Mapping[str, Any]:
    """What a file holds, read without running code from it."""
    try:
        return load_tensors(path)
    except WeightsError:
        if path.suffix == ".safetensors" or not path.is_file():
            raise
    state = read_checkpoint(path, advice=ADVICE)
    if not isinstance(state, Mapping):
        raise WeightsError(f"{path} holds a {type(state).__name__} instead of a state dict.")
    return state


def _generator(state: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], np.ndarray | None]:
    """The generator's tensors without prefix, and the mean style codes that lie beside them."""
    mean = _array(state.get("latent_avg"))
    for key in ("g_ema", "G_ema", "state_dict"):
        if isinstance(state.get(key), Mapping):
            state = state[key]
            break
    if any(name.startswith("decoder.") for name in state):
        state = {name.removeprefix("decoder."): value for name, value in state.items() if name.startswith("decoder.")}
    arrays = {str(name): _array(value) for name, value in state.items()}
    return {name: value for name, value in arrays.items() if value is not None}, mean


def _array(value: object) -> np.ndarray | None:
    if isinstance(value, Tensor):
        return value.float().numpy()
    return value if isinstance(value, np.ndarray) else None


def _renamed(state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The official layout under our names; tensors that it does not know keep theirs."""
    renamed: dict[str, np.ndarray] = {}
    for name, value in state.items():
        if match := re.fullmatch(r"mapping\.fc(\d+)\.(weight|bias)", name):
            renamed[f"style.{int(match[1]) + 1}.{match[2]}"] = value
        elif name == OFFICIAL:
            renamed["input.input"] = value[None]
        elif match := re.fullmatch(r"synthesis\.b(\d+)\.(conv0|conv1|torgb)\.(.+)", name):
            ours, ours_value = _of_layer(int(match[1]), match[2], match[3], value)
            renamed[ours] = ours_value
        else:
            renamed[name] = value
    return renamed


def _of_layer(side: int, layer: str, key: str, value: np.ndarray) -> tuple[str, np.ndarray]:
    level = side.bit_length() - 4  # 0 at 8 pixels
    if layer == "torgb":
        place = "to_rgb1" if side == NARROW else f"to_rgbs.{level}"
    else:
        place = "conv1" if side == NARROW else f"convs.{2 * level + int(layer[-1])}"
    if key.startswith("affine."):
        return f"{place}.conv.modulation.{key.removeprefix('affine.')}", value
    if key == "weight":
        return f"{place}.conv.weight", value[None]
    if key == "bias" and layer == "torgb":
        return f"{place}.bias", value.reshape(1, -1, 1, 1)
    if key == "bias":
        return f"{place}.activate.bias", value
    if key == "noise_strength":
        return f"{place}.noise.weight", value.reshape(1)
    if key == "noise_const":
        number = 0 if side == NARROW else 2 * level + 1 + int(layer[-1])
        return f"noises.noise_{number}", value[None, None]
    return f"{place}.{key}", value


def _check_kernel(name: str, value: np.ndarray, where: str) -> None:
    kernel = np.outer(FIR, FIR)
    if value.shape != kernel.shape or not np.allclose(value / value.sum(), kernel / kernel.sum(), atol=1e-4):
        raise WeightsError(f"{where}: the filter '{name}' is not the one of StyleGAN2, {list(FIR)}.")


def _spread(mean: np.ndarray, arrays: Mapping[str, np.ndarray]) -> np.ndarray:
    """One mean for all slots, (dim) or (1, dim), becomes (slots, dim)."""
    slots = 2 + 2 * sum(name.startswith("to_rgbs.") and name.endswith(".conv.weight") for name in arrays)
    mean = mean.astype(np.float32)
    return np.repeat(mean.reshape(1, -1), slots, 0) if mean.size == mean.shape[-1] else mean


def _depth(arrays: Mapping[str, np.ndarray]) -> int:
    depth = 0
    while f"style.{depth + 1}.weight" in arrays:
        depth += 1
    return depth


def _computed_mean(arrays: Mapping[str, np.ndarray], where: str) -> np.ndarray:
    dim = leading(arrays, "style.1.weight", 2, where)[1]
    with torch.device("meta"):
        mapping = MappingNetwork(dim, _depth(arrays))
    parts = {name.removeprefix("style."): value for name, value in arrays.items() if name.startswith("style.")}
    return mean_style(frozen(mapping, parts, where).double(), dim)
