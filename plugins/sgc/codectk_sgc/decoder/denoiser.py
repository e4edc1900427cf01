"""The denoiser: diffusers' UNet2DModel, which sees labels, and in some configurations colors, beside the latents."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from diffusers import UNet2DModel
from torch import Tensor, nn

from codectk_sgc.config import Config

HEADS = 8
"""Attention heads of the `full` network."""


class Rescaler(nn.Module):
    """Label planes at the scale of the latents: latent diffusion's `SpatialRescaler`.

    That halves a one-hot map of pixels bilinearly and mixes its planes. Labels here are constant over cells of 16
    pixels, whose borders no halving down to a stride that divides 16 mixes, so nearest neighbors give the same.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.classes, self.repeat = config.classes, 16 // config.stride
        self.channel_mapper = nn.Conv2d(config.classes, config.planes, 1, bias=False)

    def forward(self, labels: Tensor) -> Tensor:
        """Planes (B, planes, h, w) at the latents' stride, of labels int64 (B, H/16, W/16) in 0..classes-1."""
        weight = self.channel_mapper.weight[:, :, 0, 0].T
        planes = F.embedding(labels, weight).permute(0, 3, 1, 2)
        return planes.repeat_interleave(self.repeat, 2).repeat_interleave(self.repeat, 3)


class Denoiser(nn.Module):
    """What one step of the diffusion asks.

    Args:
        config: widths.

    Attributes:
        unet: the network.
        rescaler: labels to planes. Without labels, the planes are zero: the null condition of the guidance.
    """

    def __init__(self, config: Config):
        super().__init__()
        scales = len(config.widths)
        seen = config.latents + config.planes + 3 * config.sees_colors
        self.rescaler = Rescaler(config)
        self.unet = UNet2DModel(
            in_channels=seen,
            out_channels=config.latents,
            down_block_types=("DownBlock2D",) * scales,
            up_block_types=("UpBlock2D",) * scales,
            block_out_channels=config.widths,
            layers_per_block=config.layers,
            add_attention=config.attention,
            attention_head_dim=config.widths[-1] // HEADS,
            flip_sin_to_cos=True,
            freq_shift=0,
            downsample_padding=1,
            norm_num_groups=config.groups,
            norm_eps=1e-5,
        )

    def forward(self, noisy: Tensor, time: Tensor, planes: Tensor, colors: Tensor | None) -> Tensor:
        """The prediction, float (B, latents, h, w).

        Args:
            noisy: latents with noise, float (B, latents, h, w); h and w of any size.
            time: int64 (B,), 0..times-1.
            planes: of `rescaler`, or zeros.
            colors: float (B, 3, h, w) in [-1, 1], zeros where they are not known; None for a network that sees none.
        """
        seen = torch.cat([noisy, planes, *([] if colors is None else [colors])], 1)
        multiple = 2 ** (len(self.unet.config.block_out_channels) - 1)
        height, width = noisy.shape[-2:]
        padded = F.pad(seen, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        result: Tensor = self.unet(padded, time).sample[..., :height, :width]
        return result
