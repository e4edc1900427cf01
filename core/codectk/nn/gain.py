"""Variable rate in one model: learned channel gains, interpolated over the quality axis.

Source: Cui et al. 2021, "Asymmetric Gained Deep Image Compression with Continuous Rate Adaptation" (gain units
with exponential interpolation between learned rates).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

QUALITY_MAX = 100.0


class Gain(nn.Module):
    """Positive per-channel factors as a function of quality in [0, 100].

    Args:
        channels: latent channels.
        start: initial factors at equally spaced qualities from 0 to 100, with the logarithm linear between.
        knots: learned points on the axis; between them the logarithm is linear.
    """

    def __init__(self, channels: int, *start: float, knots: int = 6):
        super().__init__()
        at, given = np.linspace(0, 1, knots), np.linspace(0, 1, len(start))
        ramp = torch.from_numpy(np.interp(at, given, np.log(start))).float()
        self.log_gain = nn.Parameter(ramp[:, None].repeat(1, channels))

    def forward(self, quality: float | Tensor) -> Tensor:
        """Factors (B, channels, 1, 1), or (1, channels, 1, 1) for a number."""
        knots, channels = self.log_gain.shape
        q = torch.as_tensor(quality, dtype=torch.float32, device=self.log_gain.device).reshape(-1)
        position = (q / QUALITY_MAX).clamp(0, 1) * (knots - 1)
        left = position.floor().clamp(max=knots - 2).long()
        weight = (position - left)[:, None]
        log_gain = torch.lerp(self.log_gain[left], self.log_gain[left + 1], weight)
        return torch.exp(log_gain).view(-1, channels, 1, 1)
