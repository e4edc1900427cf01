"""A global code of a picture becomes a map: for syntheses that paint from maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.errors import ContractError, UsageError
from codectk.base.types import Context
from codectk.nn.blocks import subpixel
from codectk.spec.stages import LatentSpec

START = 4
"""Positions a side of the first map."""


class GlobalToSpatial(nn.Module):
    """Vector -> linear -> 4x4 map -> subpixel stages -> the latent's size, bilinearly.

    It adds a latent behind the entropy model and leaves all others as they are. Nothing that feeds the coder passes
    through it.

    Args:
        latent: name of the global latent, (B, D) or (B, D, 1, 1).
        makes: name of the new one.
        channels, stride: of the new one.
        width: channels of the maps in between.
        stages: how many times the 4x4 map is doubled.
    """

    outer: tuple[LatentSpec, ...] = ()
    inner: tuple[LatentSpec, ...] = ()

    def __init__(
        self,
        latent: str = "core",
        makes: str = "y",
        channels: int = 0,
        stride: int = 16,
        width: int = 64,
        stages: int = 2,
    ):
        super().__init__()
        if min(channels, stride, width) < 1 or stages < 0:
            raise UsageError(
                "core.spatial needs the channels of the latent that it makes, and a stride of at least one."
            )
        self.latent, self.makes, self.width = latent, makes, width
        self.adds = (LatentSpec(makes, channels, stride),)
        self.linear: nn.Linear | None = None
        doubling = [layer for _ in range(stages) for layer in (nn.GELU(), subpixel(width, width))]
        self.grow = nn.Sequential(*doubling, nn.GELU(), nn.Conv2d(width, channels, 3, padding=1))

    def join(self, outside: Sequence[LatentSpec], inside: Sequence[LatentSpec]) -> None:
        """See `codectk.spec.adapter.Adapter`.

        Raises:
            ContractError: the entropy model has no such global latent.
        """
        code = {spec.name: spec for spec in inside}.get(self.latent)
        if code is None or code.stride is not None or code.channels is None:
            found = "has none" if code is None else "has a map or a free number of channels"
            raise ContractError(
                f"core.spatial reads a global latent '{self.latent}' of a known size, but the entropy model {found}."
            )
        self.linear = nn.Linear(code.channels, self.width * START**2)

    def enter(self, values: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        return values

    def leave(self, latents: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        if self.linear is None:
            raise ContractError("core.spatial was not joined to anything.")
        code: Tensor = latents[self.latent]
        first = self.linear(code.flatten(1)).view(len(code), self.width, START, START)
        stride = self.adds[0].stride or 1
        size = (ctx.height // stride, ctx.width // stride)
        made = F.interpolate(self.grow(first).float(), size, mode="bilinear", align_corners=False)
        return {**latents, self.makes: made}
