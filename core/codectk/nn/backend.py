"""Pixels and networks on a torch device."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from codectk.base.errors import InputError
from codectk.nn.coders import Meter
from codectk.nn.guard import guard
from codectk.spec.stages import NumpyBackend


def move(network: nn.Module, device: torch.device | str) -> None:
    """Bring a network's weights to a device.

    Raises:
        InputError: torch does not know the device, or cannot use it here.
    """
    try:
        if torch.device(device).type == "meta":
            raise RuntimeError("it has no values.")
        network.to(device)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"cannot use the device '{device}': {str(error).splitlines()[0]}") from error


class TorchBackend(NumpyBackend):
    """Carries pixels to a device: float32 (H, W, 3) in [0, 1] <-> float32 (1, 3, H, W) channels-last."""

    def __init__(self, device: torch.device | str = "cpu"):
        self.device = torch.device(device)

    def from_pixels(self, pixels: np.ndarray) -> Tensor:
        x = torch.from_numpy(np.ascontiguousarray(pixels, dtype=np.float32)).to(self.device)
        # A permuted (H, W, 3) array already is channels-last: no copy.
        return x.permute(2, 0, 1).unsqueeze(0)

    def to_pixels(self, x: Tensor) -> np.ndarray:
        pixels: np.ndarray = x[0].detach().permute(1, 2, 0).float().cpu().numpy()
        return pixels

    def to_numpy(self, array: Any) -> np.ndarray:
        return np.asarray(array.detach().cpu() if isinstance(array, Tensor) else array)

    def batch(self, pixels: np.ndarray) -> Tensor:
        return torch.from_numpy(super().batch(pixels)).to(self.device)

    @contextmanager
    def guard(self, *, gradients: bool = False) -> Iterator[None]:
        with super().guard(), guard(gradients=gradients):
            yield

    def meter(self) -> Meter:
        return Meter()
