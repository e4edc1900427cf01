"""Pixels to latents of about unit scale, and back through a codebook: diffusers' VQModel."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import VQModel
from torch import Tensor, nn

from codectk_sgc.config import Config

MOMENTUM = 0.01
"""Share of a batch in the measured mean and deviation of the latents."""


class Autoencoder(nn.Module):
    """VQModel between pixels in [0, 1] and standardized latents.

    Args:
        config: widths.

    Attributes:
        vq: the network.
        mean, deviation: (latents,), what the network's own latents are standardized with.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, config: Config):
        super().__init__()
        self.patch, scales = config.patch, len(config.vq_widths)
        self.vq = VQModel(
            in_channels=3 * config.patch**2,
            out_channels=3 * config.patch**2,
            down_block_types=("DownEncoderBlock2D",) * scales,
            up_block_types=("UpDecoderBlock2D",) * scales,
            block_out_channels=config.vq_widths,
            layers_per_block=config.vq_layers,
            latent_channels=config.latents,
            num_vq_embeddings=config.codes,
            norm_num_groups=config.vq_groups,
            vq_embed_dim=config.latents,
            mid_block_add_attention=config.attention,
        )
        self.register_buffer("mean", torch.zeros(config.latents))
        self.register_buffer("deviation", torch.ones(config.latents))

    def raw(self, x: Tensor) -> Tensor:
        """The network's own latents (B, latents, H/s, W/s), not quantized, of pictures (B, 3, H, W) in [0, 1]."""
        latents: Tensor = self.vq.encode(F.pixel_unshuffle(2 * x - 1, self.patch)).latents
        return latents

    def encode(self, x: Tensor) -> Tensor:
        """Standardized latents of pictures, not quantized."""
        return (self.raw(x) - self.mean.view(-1, 1, 1)) / self.deviation.view(-1, 1, 1)

    def rendered(self, raw: Tensor) -> Tensor:
        """Pictures, nominally in [0, 1], of the network's own latents as they are."""
        return (F.pixel_shuffle(self.vq.decoder(self.vq.post_quant_conv(raw)), self.patch) + 1) / 2

    def decode(self, latents: Tensor) -> Tensor:
        """Pictures float (B, 3, H, W), nominally in [0, 1], of standardized latents, which are quantized first."""
        raw = latents * self.deviation.view(-1, 1, 1) + self.mean.view(-1, 1, 1)
        return self.rendered(self.vq.quantize(raw.float())[0])

    @torch.no_grad()
    def observe(self, raw: Tensor) -> None:
        """Move the measured mean and deviation a little towards those of a batch of the network's own latents."""
        values = raw.float().transpose(0, 1).flatten(1)
        self.mean.lerp_(values.mean(1), MOMENTUM)
        self.deviation.lerp_(values.std(1), MOMENTUM)
