"""Pixels to latents and back with CompressAI's networks, in the memory layout in which it runs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from codectk.base.types import Context
from codectk.spec.stages import LatentSpec


class Analysis:
    """g_a, and h_a where the model has one. Split: nothing here depends on the quality of variable-rate models."""

    def __init__(self, model: Any, latents: tuple[LatentSpec, ...], magnitudes: bool) -> None:
        self.model, self.produces = model, latents
        self.magnitudes = magnitudes

    def __call__(self, x: Tensor, condition: Any, ctx: Context) -> Mapping[str, Tensor]:
        """x float32 (1, 3, H, W) in [0, 1] to y (1, M, H/16, W/16) and z (1, N, H/64, W/64)."""
        return self.finish(self.prepare(x, condition, ctx), ctx)

    @torch.inference_mode()
    def prepare(self, x: Tensor, condition: Any, ctx: Context) -> Mapping[str, Tensor]:
        y = self.model.g_a(x.contiguous())
        if len(self.produces) == 1:
            return {"y": y}
        return {"y": y, "z": self.model.h_a(y.abs() if self.magnitudes else y)}

    def finish(self, prepared: Mapping[str, Tensor], ctx: Context) -> Mapping[str, Tensor]:
        return prepared


class Synthesis:
    """g_s."""

    def __init__(self, model: Any, needs: tuple[LatentSpec, ...]) -> None:
        self.model, self.needs = model, needs

    @torch.inference_mode()
    def __call__(self, latents: Mapping[str, Tensor], ctx: Context) -> Tensor:
        """y_hat (1, M, H/16, W/16) to float32 (1, 3, H, W)."""
        x: Tensor = self.model.g_s(latents["y"])
        return x.clamp_(0, 1)
