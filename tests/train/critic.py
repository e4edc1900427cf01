"""A small discriminator with all that one can have: label maps, a latent branch, shared draws, weight norm.

`conftest.critic` installs this file as a plugin.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from codectk.spec.hooks import hookimpl
from codectk.spec.stages import LatentSpec

CARD = """
api = 1
title = "Critic"
summary = "A plugin made by a test"
licence = "CC0-1.0"

[[component]]
id = "critic.small"
kind = "discriminator"
summary = "Tells groups and fakes apart"
"""


class Critic(nn.Module):
    """Classes 0 for fakes and 1..3 for the groups; the latents speak for the groups."""

    needs_labels = True
    new_at_gan = ("latent",)

    def __init__(self, channels: int = 32) -> None:
        super().__init__()
        self.needs = (LatentSpec("y", channels, 16),)
        self.first = weight_norm(nn.Conv2d(3, 8, 3, padding=1))
        self.latent = nn.Conv2d(channels, 8, 1)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        h = F.leaky_relu(self.first(x), 0.2)
        logits = self.last(h).float()
        if y is None:
            return logits
        q = (h * F.interpolate(self.latent(y), x.shape[2:])).sum(1, keepdim=True)
        return logits + torch.cat([torch.zeros_like(q), q.expand(-1, 3, -1, -1)], 1)

    def generator_loss(self, fake: Tensor, labels: Tensor, latents: Mapping[str, Tensor]) -> Tensor:
        return cross_entropy(self(fake, latents["y"]), labels)

    def discriminator_loss(
        self, real: Tensor, fake: Tensor, labels: Tensor, latents: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        on_real, on_fake = self(real, latents["y"]), self(fake, latents["y"])
        mask = torch.randint(0, 2, (4,)).to(real)[labels].unsqueeze(1)
        mixed = self(mask * real + (1 - mask) * fake, latents["y"])
        return {
            "real": cross_entropy(on_real, labels).mean(),
            "fake": F.cross_entropy(on_fake, torch.zeros_like(labels)),
            "mix": 10 * F.mse_loss(mixed, mask * on_real + (1 - mask) * on_fake),
            "~accuracy_fake": (on_fake.argmax(1) == 0).float().mean(),
        }

    def pretraining_loss(self, real: Tensor, labels: Tensor) -> dict[str, Tensor]:
        return {"groups": cross_entropy(self(real), labels).mean()}


def cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    """Mean over the labelled pixels of each picture, (B,)."""
    known = labels > 0
    entropy = F.cross_entropy(logits, labels, reduction="none") * known
    return entropy.sum((1, 2)) / known.sum((1, 2)).clamp(min=1)


@hookimpl
def codectk_discriminator(name: str, options: Mapping[str, Any]) -> Critic | None:
    return Critic(**options) if name == "critic.small" else None
