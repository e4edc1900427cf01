"""The decoder: labels and colors become a picture; its networks as modules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.spec.stages import LatentSpec
from codectk_sgc.config import Config
from codectk_sgc.decoder import program
from codectk_sgc.decoder.autoencoder import Autoencoder
from codectk_sgc.decoder.colors import enlarged, shown
from codectk_sgc.decoder.denoiser import Denoiser
from codectk_sgc.entropy import REDUCED
from codectk_sgc.size import MULTIPLE


class Synthesis(nn.Module):
    """Latents to pixels, through the diffusion of the autoencoder's latents; see `codectk_sgc.decoder.program`.

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

    @torch.inference_mode()
    def __call__(self, latents: Mapping[str, Any], ctx: Context) -> Tensor:
        x: Tensor = program.synthesize(self, latents, ctx)
        return x

    @torch.inference_mode()
    def paint(self, labels: npt.NDArray[np.integer] | None, levels: npt.NDArray[np.integer], **settings: Any) -> Tensor:
        """See `program.paint`."""
        x: Tensor = program.paint(self, labels, levels, **settings)
        return x

    def begun(self, colors: Tensor) -> Tensor:
        height, width = (MULTIPLE * side for side in colors.shape[-2:])
        return self.autoencoder.encode(enlarged(colors, height, width))

    def seen(self, colors: Tensor) -> Tensor:
        height, width = (MULTIPLE // self.config.stride * side for side in colors.shape[-2:])
        return shown(colors, height, width)

    def rendered(self, latents: Tensor) -> Tensor:
        return self.autoencoder.decode(latents).float()

    def array(self, values: npt.NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values)).to(self.autoencoder.mean.device)

    def resized(self, x: Tensor, height: int, width: int) -> Tensor:
        return F.interpolate(x, (height, width), mode="bicubic", antialias=True, align_corners=False)
