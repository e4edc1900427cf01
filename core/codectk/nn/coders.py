"""The three readings of an entropy model's program, on tensors.

`Meter` is the training reading. For encoding and decoding, `tensor_coder` lets a program written on tensors
drive one of `codectk.coding`'s coders: whole arrays cross the border as int32 on the CPU, and nothing else does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from codectk.base.errors import WeightsError
from codectk.nn.priors import Prior
from codectk.nn.quantize import round_ste
from codectk.spec.stages import SymbolCoder


class TensorCoder(Protocol):
    """What an entropy model's program sees."""

    def code(self, index: Tensor, value: Tensor | None, prior: Prior) -> Tensor:
        """Code one array of integers.

        Args:
            index: table index per symbol in any dtype; between two tables, a `Meter` interpolates where the prior
                can, and the others take the nearer one.
            value: real values that are rounded and coded, or None to decode.
            prior: the probability model.

        Returns:
            float32 integers of `index`'s shape.
        """
        ...

    def raw(self, value: int | None, bits: int) -> int: ...

    def layer(self, more: bool | None) -> bool:
        """As `SymbolCoder.layer`; in training, `more` holds for the whole batch."""
        ...


class Meter:
    """Adds up -log2 p and passes rounded values on with straight-through gradients.

    Args:
        generators: one random generator per sample of the batch for additive noise U(-1/2, 1/2), so that a
            sample's noise does not depend on how a global batch is split over processes (training); None
            measures the rounded values instead (evaluation).

    Attributes:
        by_layer: float32 (B,), bits per sample so far, or 0.0 before the first symbol; by layer from the base on.
        by_label: the same by `Prior.label`, detached means over the batch.
    """

    def __init__(self, generators: Sequence[torch.Generator] | None = None):
        self.generators = generators
        self.by_layer: list[Tensor | float] = [0.0]
        self.by_label: dict[str, float] = {}
        self._ended = False

    @property
    def bits(self) -> Tensor | float:
        """Bits per sample of all layers, float32 (B,), or 0.0 before the first symbol."""
        return sum(self.by_layer[1:], start=self.by_layer[0])

    def code(self, index: Tensor, value: Tensor | None, prior: Prior) -> Tensor:
        if value is None:
            raise ValueError("a Meter has nothing to decode from")
        self._check_open()
        seen = torch.round(value) if self.generators is None else value + self._noise(value)
        bits = prior.bits(seen, index).flatten(1).sum(1)
        if self.generators is not None:
            bits = bits * prior.crop_share
        self.by_layer[-1] = self.by_layer[-1] + bits
        self.by_label[prior.label] = self.by_label.get(prior.label, 0.0) + float(bits.detach().mean())
        return round_ste(value)

    def _noise(self, value: Tensor) -> Tensor:
        assert self.generators is not None
        samples = [torch.rand(value.shape[1:], generator=g) for g in self.generators]
        return torch.stack(samples).to(value.device) - 0.5

    def raw(self, value: int | None, bits: int) -> int:
        if value is None:
            raise ValueError("a Meter has nothing to decode from")
        self._check_open()
        self.by_layer[-1] = self.by_layer[-1] + bits
        return value

    def layer(self, more: bool | None) -> bool:
        if more is None:
            raise ValueError("a Meter has nothing to decode from")
        self._check_open()
        if more:
            self.by_layer.append(0.0)
        self._ended = not more
        return more

    def _check_open(self) -> None:
        if self._ended:
            raise ValueError("nothing can be coded after the last layer")


class _ArrayCoder:
    """Carries tensors to an integer coder and back."""

    def __init__(self, coder: SymbolCoder, device: torch.device | str):
        self.coder, self.device = coder, device

    def code(self, index: Tensor, value: Tensor | None, prior: Prior) -> Tensor:
        if prior.tables is None:
            raise WeightsError(f"the prior '{prior.label}' has no coding tables; export the checkpoint first.")
        indices = index.round().to("cpu", torch.int32).numpy()
        symbols = None
        if value is not None:
            symbols = np.ascontiguousarray(torch.round(value).to("cpu", torch.int32).numpy())
        coded = self.coder.code(np.ascontiguousarray(indices), symbols, prior.tables)
        return torch.from_numpy(np.ascontiguousarray(coded)).to(self.device, torch.float32)

    def raw(self, value: int | None, bits: int) -> int:
        return self.coder.raw(value, bits)

    def layer(self, more: bool | None) -> bool:
        return self.coder.layer(more)


def tensor_coder(coder: SymbolCoder | TensorCoder, device: torch.device | str) -> TensorCoder:
    """A tensor view of any coder; a `Meter` already is one."""
    return coder if isinstance(coder, Meter) else _ArrayCoder(coder, device)
