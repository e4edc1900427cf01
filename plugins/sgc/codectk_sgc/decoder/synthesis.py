"""The decoder: labels and colors become a picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.errors import ContractError
from codectk.base.types import Context
from codectk.spec.stages import LatentSpec
from codectk_sgc.config import Config
from codectk_sgc.decoder.autoencoder import Autoencoder
from codectk_sgc.decoder.colors import enlarged, known_colors, shown
from codectk_sgc.decoder.denoiser import Denoiser
from codectk_sgc.decoder.diffusion import denoised
from codectk_sgc.decoder.noise import start_noise
from codectk_sgc.entropy import REDUCED


class Synthesis(nn.Module):
    """Latents to pixels, through the diffusion of the autoencoder's latents.

    Args:
        config: widths.

    Attributes:
        compact: see `codectk.nn.storage`.
    """

    needs: tuple[LatentSpec, ...] = REDUCED
    compact = ("autoencoder.vq.encoder", "autoencoder.vq.decoder", "denoiser.unet")

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.autoencoder = Autoencoder(config)
        self.denoiser = Denoiser(config)

    def __call__(self, latents: Mapping[str, Any], ctx: Context) -> Tensor:
        knobs = ctx.knobs
        x = self.paint(
            latents["labels"],
            latents["colors"],
            seed=int(knobs["seed"]),
            steps=int(knobs["steps"]),
            strength=float(knobs["strength"]),
            guidance=float(knobs["guidance"]),
        )
        if x.shape[-2:] == (ctx.height, ctx.width):
            return x
        return F.interpolate(x, (ctx.height, ctx.width), mode="bicubic", antialias=True, align_corners=False)

    @torch.inference_mode()
    def paint(
        self,
        labels: npt.NDArray[np.integer] | None,
        levels: npt.NDArray[np.integer],
        *,
        seed: int,
        steps: int,
        strength: float,
        guidance: float,
        with_colors: bool = True,
    ) -> Tensor:
        """A picture float32 (1, 3, 32 h, 32 w), nominally in [0, 1].

        Args:
            labels: (2 h, 2 w) in 0..classes-1, or None to paint without.
            levels: color map (h, w, 3).
            seed: of the start noise.
            steps, strength, guidance: see `denoised`.
            with_colors: False to start from noise alone and to show no colors.

        Raises:
            ContractError: labels that it does not know.
        """
        if labels is not None and not 0 <= labels.min() <= labels.max() < self.config.classes:
            raise ContractError(
                f"SGC's diffusion knows labels 0 to {self.config.classes - 1}, not {labels.min()} to {labels.max()}."
            )
        device = self.autoencoder.mean.device
        height, width = (32 * side for side in levels.shape[:2])
        inner = (height // self.config.stride, width // self.config.stride)
        colors = known_colors(levels).to(device)
        noise = start_noise(seed, (1, self.config.latents, *inner)).to(device)
        start = self.autoencoder.encode(enlarged(colors, height, width)) if with_colors else torch.zeros_like(noise)
        cells = None if labels is None else torch.from_numpy(np.asarray(labels, np.int64)).to(device).unsqueeze(0)
        seen = shown(colors, *inner) * with_colors if self.config.sees_colors else None
        made = denoised(
            self.denoiser,
            self.config,
            start,
            noise,
            cells,
            seen,
            steps=steps,
            strength=strength if with_colors else 1.0,
            guidance=guidance,
        )
        return self.autoencoder.decode(made).float()
