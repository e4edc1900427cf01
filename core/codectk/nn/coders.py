"""The training reading of a coding program: bits as a differentiable function of tensors."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from codectk.nn.priors import Prior
from codectk.nn.quantize import clamp_ste, round_ste
from codectk.programs.values import ValueCoder


class Meter(ValueCoder):
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

    def code(self, index: Tensor, value: Tensor | None, prior: Prior, bound: int | None = None) -> Tensor:
        """As `ValueCoder.code`; a real index lies between two tables, and the prior interpolates where it can."""
        if value is None:
            raise ValueError("a Meter has nothing to decode from")
        self._check_open()
        seen = torch.round(value) if self.generators is None else value + self._noise(value)
        self._add(prior.bits(seen, index), prior)
        symbols = round_ste(value)
        return symbols if bound is None else clamp_ste(symbols, -bound, bound)

    def _add(self, bits: Tensor, prior: Prior) -> None:
        """Take in the bits of an array."""
        bits = bits.flatten(1).sum(1)
        if self.generators is not None:
            bits = bits * prior.crop_share
        self.by_layer[-1] = self.by_layer[-1] + bits
        self.by_label[prior.label] = self.by_label.get(prior.label, 0.0) + float(bits.detach().mean())

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
