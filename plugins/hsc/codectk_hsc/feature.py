"""FCN's transforms: what the feature at the cut has beyond the one that the styles alone would give.

Both ends know that one, so only the difference is coded: without any slice, the picture is that of the styles.
Differences are in units of the channels' deviations; `known` is the feature of the styles in the same units about the
template and steers both directions. A linear map carries the signal, convolutions beside it correct it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from codectk.nn.blocks import conv3x3
from codectk_hsc.config import Config

SLOPE = 0.2
GAIN = 2.0
"""Of the linear map at the start: steps of half a deviation."""


class FeatureEncoder(nn.Module):
    """Difference (B, channels, cut, cut) -> y (B, latent, cut, cut), real."""

    def __init__(self, config: Config):
        super().__init__()
        wide, hidden = config.channels, config.feature_hidden
        self.linear = nn.Conv2d(wide, config.latent, 1)
        self.hidden = nn.Sequential(
            nn.Conv2d(2 * wide, hidden, 1),
            nn.LeakyReLU(SLOPE),
            conv3x3(hidden, hidden),
            nn.LeakyReLU(SLOPE),
            conv3x3(hidden, config.latent),
        )
        nn.init.orthogonal_(self.linear.weight, GAIN)

    def forward(self, difference: Tensor, known: Tensor) -> Tensor:
        return (self.linear(difference) + self.hidden(torch.cat([difference, known], 1))).float()


class FeatureDecoder(nn.Module):
    """y (B, latent, cut, cut) -> difference (B, channels, cut, cut)."""

    def __init__(self, config: Config):
        super().__init__()
        wide, hidden = config.channels, config.feature_hidden
        self.linear = nn.Conv2d(config.latent, wide, 1)
        self.look = nn.Conv2d(wide, hidden // 2, 1)
        self.hidden = nn.Sequential(
            conv3x3(config.latent + hidden // 2, hidden),
            nn.LeakyReLU(SLOPE),
            conv3x3(hidden, hidden),
            nn.LeakyReLU(SLOPE),
            nn.Conv2d(hidden, wide, 1),
        )

    def forward(self, y: Tensor, known: Tensor) -> Tensor:
        return (self.linear(y) + self.hidden(torch.cat([y, self.look(known)], 1))).float()


@torch.no_grad()
def pair(encoder: FeatureEncoder, decoder: FeatureDecoder) -> None:
    """Start as an orthogonal projection and its inverse, with silence beside them."""
    decoder.linear.weight.copy_(encoder.linear.weight.transpose(0, 1) / GAIN**2)
    for part in (encoder, decoder):
        last = part.hidden[-1]
        assert isinstance(last, nn.Conv2d) and last.bias is not None and part.linear.bias is not None
        part.linear.bias.zero_()
        last.weight.mul_(0.1)
        last.bias.zero_()
