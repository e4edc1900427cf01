"""PatchGAN conditioned on the latents (Mentzer et al. 2020, "High-Fidelity Generative Image Compression")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.errors import UsageError
from codectk.programs.configurations import configured
from codectk.spec.stages import LatentSpec
from codectk_egic.discriminator.convolution import Conv, conv
from codectk_egic.discriminator.latent import STRIDE, LatentBranch, latent_of
from codectk_egic.discriminator.losses import fake_loss, real_loss, share


@dataclass(frozen=True)
class Config:
    """Shape of a PatchGAN.

    Attributes:
        latent: channels of y.
        widths: channels of the 4x4 convolutions; all but the last halve the resolution.
        latent_width: channels that y becomes.
        norm: "spectral" (as published), "weight" or "none"; the last, 1x1 convolution has the same.
        compress_latents: see `LatentBranch`.
    """

    latent: int
    widths: tuple[int, ...]
    latent_width: int = 12
    norm: str = "spectral"
    compress_latents: bool = True

    def __post_init__(self) -> None:
        if len(self.widths) < 2:
            raise UsageError("A PatchGAN needs at least two widths.")


FULL = Config(220, (64, 128, 256, 512), compress_latents=False)
SMALL = Config(160, (48, 96, 128, 192))
CONFIGS = {"full": FULL, "small": SMALL}


class PatchGan(nn.Module):
    """The critic; needs no labels.

    Attributes:
        needs, needs_labels: see `codectk.spec.training.Discriminator`.
        stride: pixels per judgment; sides that are no multiples are padded with copies of the border.
    """

    needs_labels = False

    def __init__(self, config: Config):
        super().__init__()
        self.needs = (LatentSpec("y", config.latent, STRIDE),)
        self.stride = 2 ** (len(config.widths) - 1)
        self.latent = LatentBranch(config.latent, config.latent_width, config.norm, config.compress_latents)
        read = (3 + config.latent_width, *config.widths[:-1])
        strides = (*[2] * (len(config.widths) - 1), 1)
        self.convs = nn.ModuleList(
            conv(a, b, 4, s, config.norm) for a, b, s in zip(read, config.widths, strides, strict=True)
        )
        self.out: Conv = conv(config.widths[-1], 1, 1, norm=config.norm)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Logits of "real".

        Args:
            x: (B, 3, H, W), nominally in [0, 1].
            y: (B, M, ceil(H / 16), ceil(W / 16)) or more positions.

        Returns:
            (B, 1, ceil(H / stride), ceil(W / stride)).
        """
        x = torch.cat([2 * x - 1, self.latent(y, *x.shape[2:]).to(x.dtype)], 1)
        below, right = -x.shape[2] % self.stride, -x.shape[3] % self.stride
        if below or right:
            x = F.pad(x, (0, right, 0, below), mode="replicate")
        x = x.contiguous(memory_format=torch.channels_last)
        *halving, last = self.convs
        for layer in halving:
            x = F.leaky_relu(layer(x), 0.2)
        x = F.leaky_relu(last(F.pad(x, (0, 1, 0, 1))), 0.2)  # an even kernel at stride 1 needs one more
        return self.out(x)

    def generator_loss(self, fake: Tensor, labels: Tensor | None, latents: Mapping[str, Tensor]) -> Tensor:
        """Non-saturating loss of the codec's pictures: float32 (B,)."""
        return real_loss(self(fake, latent_of(latents)))

    def discriminator_loss(
        self, real: Tensor, fake: Tensor, labels: Tensor | None, latents: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Terms `real` and `fake`, and shares of patches taken for what they are, float32 scalars."""
        y = latent_of(latents)
        on_real, on_fake = self(torch.cat([real, fake.detach()]), y.repeat(2, 1, 1, 1)).chunk(2)
        return {
            "real": real_loss(on_real).mean(),
            "fake": fake_loss(on_fake).mean(),
            "~accuracy_real": share(on_real.detach() > 0),
            "~accuracy_fake": share(on_fake.detach() < 0),
        }


def build(options: Mapping[str, Any]) -> PatchGan:
    """An untrained critic.

    Args:
        options: `config` ("small", the default, or "full") and fields of `Config` to change.

    Raises:
        UsageError: an unknown configuration or field, or a value out of range.
    """
    return PatchGan(configured("PatchGAN", CONFIGS, options))
