"""An encoder that tries harder: better latents than the analysis guesses, found by gradients through the codec.

Rounding is relaxed as in Yang et al. 2020, "Improving Inference for Neural Image Compression": a value between two
integers is drawn towards either by a Gumbel-softmax that cools down ("stochastic Gumbel annealing"). Any decoder reads
what comes out; only the encoder takes longer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codectk.nn.coders import Meter
from codectk.nn.guard import guard
from codectk.nn.priors import GaussianPrior, Prior
from codectk.nn.quantize import clamp_ste
from codectk.spec.capabilities import Refinement

WARM, COLD = 0.5, 0.15
"""Temperatures at the beginning and at the end. Colder, values stop moving before they are where they are wanted."""

CHECKS = (0.5, 0.75, 1.0)
"""After which shares of the steps real files are made."""


class Annealed(Meter):
    """Adds up bits of values that are drawn, softly, to one of the two integers around them.

    Args:
        temperature: near zero they are integers.
        generator: of the draws.
    """

    def __init__(self, temperature: float, generator: torch.Generator):
        super().__init__()
        self.temperature, self.generator = temperature, generator

    def code(self, index: Tensor, value: Tensor | None, prior: Prior, bound: int | None = None) -> Tensor:
        if value is None or not value.requires_grad or not isinstance(prior, GaussianPrior):
            return super().code(index, value, prior, bound)  # with straight-through gradients
        soft = self._drawn(value)
        self._add(prior.bits(soft, index), prior)
        return soft if bound is None else clamp_ste(soft, -bound, bound)

    def _drawn(self, value: Tensor) -> Tensor:
        below = value.detach().floor()
        up = (value - below).clamp(1e-4, 1 - 1e-4)
        # Difference of the two logits, each -atanh(distance) / temperature, and of two Gumbel draws.
        logit = (torch.atanh(1 - up) - torch.atanh(up)).neg() / self.temperature
        uniform = torch.rand(value.shape, generator=self.generator).clamp(1e-6, 1 - 1e-6).to(value.device)
        return below + torch.sigmoid((logit + torch.logit(uniform)) / self.temperature)


class Refiner:
    """Moves the values of one picture.

    Args:
        wanted: what may move, and what is lowered.
        code: runs the coding program in the reading of a meter, on values; returns latents.
        paint: latents to a picture (1, 3, H', W'), which may be larger than the original; with `wanted.side`, a square
            of that side.
        original: float32 (1, 3, H, W) in [0, 1].
        factor: what a unit of the distortion is worth in bits per pixel.
        importance: float (H, W), how much an error counts; None for 1 everywhere.
    """

    def __init__(
        self,
        wanted: Refinement,
        code: Callable[[Meter, Mapping[str, Any]], Mapping[str, Any]],
        paint: Callable[[Mapping[str, Any]], Tensor],
        original: Tensor,
        factor: float,
        importance: np.ndarray | None = None,
    ):
        self.wanted, self.code, self.paint, self.factor = wanted, code, paint, factor
        weight = torch.ones(original.shape[2:], device=original.device)
        if importance is not None:
            weight = torch.from_numpy(np.ascontiguousarray(importance, np.float32)).to(original.device)
        self.original, self.weight = original, weight
        if wanted.side is not None:
            self.original = _square(original, wanted.side).clamp(0, 1)
            self.weight = _square(weight[None, None], wanted.side)[0, 0].clamp_min(0)

    @torch.no_grad()
    def cost(self, bits: float, latents: Mapping[str, Any]) -> float:
        """What is lowered, of coded latents and the bits that they took, per pixel."""
        return bits / self.weight.numel() + self.factor * float(self._distortion(latents))

    def candidates(
        self, values: Mapping[str, Any], steps: int, told: Callable[[int], None] = lambda done: None
    ) -> Iterator[Mapping[str, Any]]:
        """Better values, after some of so many steps each.

        Args:
            values: what the analysis made.
            steps: of gradients.
            told: called after each step.
        """
        generator = torch.Generator().manual_seed(0)
        moved = {name: values[name].detach().clone().requires_grad_() for name in self.wanted.moves}
        optimizer = torch.optim.Adam(moved.values(), lr=self.wanted.rate)
        straight = self.wanted.rounding == "straight"
        # Annealed values come to rest by themselves.
        fade = torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1, 2.5 * (1 - step / steps)) if straight else 1
        )
        checks = {max(1, round(share * steps)) for share in CHECKS}
        for step in range(steps):
            with guard(gradients=True):
                temperature = WARM * (COLD / WARM) ** (step / max(1, steps - 1))
                meter = Meter() if straight else Annealed(temperature, generator)
                latents = self.code(meter, {**values, **moved})
                bits = torch.as_tensor(meter.bits).sum()
                optimizer.zero_grad(set_to_none=True)
                (bits / self.weight.numel() + self.factor * self._distortion(latents)).backward()
                optimizer.step()
                fade.step()
            told(step + 1)
            if step + 1 in checks:
                yield {**values, **{name: value.detach().clone() for name, value in moved.items()}}

    def _distortion(self, latents: Mapping[str, Any]) -> Tensor:
        quick = self.wanted.precision == "bfloat16" and torch.is_grad_enabled()
        with torch.autocast(self.original.device.type, torch.bfloat16, enabled=quick):
            painted = self.paint(latents)
        made = painted[..., : self.original.shape[-2], : self.original.shape[-1]].float()
        terms = {"mse": lambda: 255.0**2 * ((made - self.original).square().mean((0, 1)) * self.weight).mean()}
        total = torch.stack([weight * terms[name]() for name, weight in self.wanted.distortion.items()]).sum()
        return total if self.wanted.unlike is None else total + self.wanted.unlike(made, self.original)


def _square(x: Tensor, side: int) -> Tensor:
    return F.interpolate(x, (side, side), mode="bicubic", antialias=True, align_corners=False)
