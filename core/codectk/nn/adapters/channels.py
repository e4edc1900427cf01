"""Other channels for an entropy model: a linear 1x1 convolution in front of it and another one behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.errors import ContractError, UsageError
from codectk.base.types import Context
from codectk.spec.stages import LatentSpec


class ChannelAdapter(nn.Module):
    """Joins a latent of M channels to an entropy model for N.

    Both convolutions start as an identity that is cut off, or filled up with zeros: in front, the first N channels; and
    behind, zeros for what is missing. They are linear, so the meaning of one unit of a latent stays what it was.

    Args:
        latent: name of the latent.
        restore: False leaves the entropy model's channels as they are, for a synthesis that wants those: the analysis
            of one codec then meets the entropy model and the synthesis of another.

    Attributes:
        restores: see `restore`.
    """

    outer: tuple[LatentSpec, ...] = ()
    inner: tuple[LatentSpec, ...] = ()

    def __init__(self, latent: str = "y", restore: bool = True):
        super().__init__()
        if not isinstance(latent, str) or not isinstance(restore, bool):
            raise UsageError("core.channels takes the name of a latent, and restore = true or false.")
        self.latent, self.restores = latent, restore
        self.before: nn.Conv2d | None = None
        self.after: nn.Conv2d | None = None

    def join(self, outside: Sequence[LatentSpec], inside: Sequence[LatentSpec]) -> None:
        """See `codectk.spec.adapter.Adapter`.

        Raises:
            ContractError: one of the two has no such latent, or they differ in more than channels.
        """
        left = {spec.name: spec for spec in outside}.get(self.latent)
        right = {spec.name: spec for spec in inside}.get(self.latent)
        if left is None or right is None:
            who = "analysis does not make" if left is None else "entropy model does not need"
            raise ContractError(f"core.channels joins the latent '{self.latent}', which the {who}.")
        if left.channels is None or right.channels is None or replace(left, channels=right.channels) != right:
            raise ContractError(
                f"core.channels changes the number of channels of the latent '{self.latent}' and nothing else, but "
                f"stride and kind are {left.stride} and {left.kind} on one side, {right.stride} and {right.kind} on "
                "the other."
            )
        self.outer, self.inner = (left,), (right,)
        self.before = _cut_identity(left.channels, right.channels)
        self.after = _cut_identity(right.channels, left.channels) if self.restores else None

    def enter(self, values: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        return self._through(self.before, values)

    def leave(self, latents: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        return self._through(self.after, latents) if self.restores else latents

    def _through(self, convolution: nn.Conv2d | None, values: Mapping[str, Any]) -> Mapping[str, Any]:
        if convolution is None:
            raise ContractError("core.channels was not joined to anything.")
        x: Tensor = values[self.latent]
        with torch.autocast(x.device.type, enabled=False):  # as exact as the latents are
            return {**values, self.latent: convolution(x.float())}


def _cut_identity(channels: int, out: int) -> nn.Conv2d:
    convolution = nn.Conv2d(channels, out, 1, bias=False)
    with torch.no_grad():
        convolution.weight.copy_(torch.eye(out, channels)[:, :, None, None])
    return convolution
