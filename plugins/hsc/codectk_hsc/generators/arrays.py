"""Arrays of a file become the tensors of a frozen module."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from codectk.base.errors import WeightsError

Module = TypeVar("Module", bound=nn.Module)

MEAN = "w_mean"
"""Name of the mean style in a MobileStyleGAN file."""

SEED, SAMPLES, BLOCK = 20210721, 1 << 16, 1 << 12
"""Of the draws behind a mean style."""


def frozen(module: Module, arrays: Mapping[str, np.ndarray], where: str) -> Module:
    """Fill a module that was built on the meta device.

    Args:
        module: names and shapes; every tensor of its state dict is wanted.
        arrays: by the same names, of any floating dtype. They become float32 copies.
        where: how to call the file in messages.

    Returns:
        The same module, in evaluation mode, with parameters that take no gradient.

    Raises:
        WeightsError: the sentence names a tensor that is missing, superfluous, of another shape or not finite.
    """
    wanted = module.state_dict()
    state: dict[str, Tensor] = {}
    for name, value in wanted.items():
        if name not in arrays:
            raise WeightsError(f"{where} is no {type(module).__name__}: it lacks '{name}'.")
        array = np.array(arrays[name], np.float32, order="C")
        if array.shape != tuple(value.shape):
            raise WeightsError(f"{where}: '{name}' has shape {array.shape} instead of {tuple(value.shape)}.")
        if not np.isfinite(array).all():
            raise WeightsError(f"{where} is of no use: '{name}' has values that are not finite.")
        state[name] = torch.from_numpy(array)
    if extra := sorted(set(arrays) - set(wanted)):
        raise WeightsError(f"{where} is no {type(module).__name__}: it holds '{extra[0]}', which that lacks.")
    module.load_state_dict(state, assign=True)
    module.requires_grad_(False)
    return module.eval()


def leading(arrays: Mapping[str, np.ndarray], name: str, ndim: int, where: str) -> tuple[int, ...]:
    """Shape of an array from which widths are read.

    Raises:
        WeightsError: it is missing or does not have `ndim` dimensions.
    """
    array = arrays.get(name)
    if array is None or array.ndim != ndim:
        raise WeightsError(f"{where} is no generator of this kind: it lacks '{name}'.")
    return array.shape


@torch.no_grad()
def mean_style(mapping: nn.Module, dim: int) -> np.ndarray:
    """The mean style code over seeded standard normal codes.

    In float64, so that the result, rounded to float16, is the same on every machine.

    Args:
        mapping: mapping network (float64) z (B, dim) -> w (B, dim).
        dim: length of a code.

    Returns:
        float16 (dim,).
    """
    draws = np.random.default_rng(SEED)
    total = torch.zeros(dim, dtype=torch.float64)
    for _ in range(SAMPLES // BLOCK):
        z = draws.standard_normal((BLOCK, dim)).astype(np.float32)
        total += mapping(torch.from_numpy(z).double()).sum(0)
    return (total / SAMPLES).numpy().astype(np.float16)
