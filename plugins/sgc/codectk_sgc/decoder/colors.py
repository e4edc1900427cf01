"""Color maps at other scales."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from codectk_sgc.colors.quantize import planes, quantize
from codectk_sgc.colors.reduce import color_map


def known_colors(levels: npt.NDArray[np.integer]) -> Tensor:
    """Colors float32 (1, 3, h, w) in [0, 1] of a map's levels (h, w, 3)."""
    return torch.from_numpy(planes(levels))


def decoded_colors(x: Tensor) -> Tensor:
    """What a decoder will know of the colors of pictures (B, 3, H, W) in [0, 1]: float32 (B, 3, H/32, W/32)."""
    pictures = x.detach().cpu().float().permute(0, 2, 3, 1).numpy()
    return torch.cat([known_colors(quantize(color_map(picture))) for picture in pictures]).to(x.device)


def shown(colors: Tensor, height: int, width: int) -> Tensor:
    """Colors as the denoiser sees them: `enlarged`, in [-1, 1]."""
    return 2 * enlarged(colors, height, width) - 1


def enlarged(colors: Tensor, height: int, width: int) -> Tensor:
    """Colors in [0, 1] at another size, bicubic and clipped."""
    return F.interpolate(colors, (height, width), mode="bicubic", align_corners=False).clamp(0, 1)
