"""What a critic sees of the latents: a convolution of y, without a way back to it."""

from __future__ import annotations

from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.errors import ContractError
from codectk_egic.discriminator.convolution import conv, repeated

STRIDE = 16
"""Pixels per position of y."""


class LatentBranch(nn.Module):
    """y (B, M, ceil(H / 16), ceil(W / 16)) -> features (B, width, H / s, W / s) by repetition.

    Args:
        latent: channels M of y.
        width: channels of the features.
        norm: of the convolution, as in `conv`.
        compress: read asinh(y), which is about y near 0 and its logarithm far away; for latents that hold plain
            averages of pixels beside small differences.
        silent: start at zero, so that a pre-trained critic is at first what it was without the branch.
    """

    def __init__(self, latent: int, width: int, norm: str, compress: bool, silent: bool = False):
        super().__init__()
        self.conv = conv(latent, width, norm=norm)
        self.compress = compress
        if silent:
            nn.init.zeros_(self.conv.parametrizations.weight.original0)  # type: ignore[union-attr, arg-type]
            nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

    def forward(self, y: Tensor, height: int, width: int, s: int = 1) -> Tensor:
        """Features for a picture of height x width pixels, at stride `s`, which divides all three.

        Raises:
            ContractError: y has other channels or too few positions.
        """
        rows, columns = -(-height // STRIDE), -(-width // STRIDE)
        if y.shape[1] != self.conv.in_channels or y.shape[2] < rows or y.shape[3] < columns:
            wanted = (self.conv.in_channels, rows, columns)
            raise ContractError(f"The critic needs y of shape {wanted}, not {tuple(y.shape[1:])}.")
        y = y.detach()[:, :, :rows, :columns].to(self.conv.bias.dtype)  # type: ignore[union-attr]
        features = F.leaky_relu(self.conv(y.asinh() if self.compress else y), 0.2)
        return repeated(features, STRIDE // s)[:, :, : height // s, : width // s]


def latent_of(latents: Mapping[str, Tensor]) -> Tensor:
    """y.

    Raises:
        ContractError: there is none.
    """
    if "y" not in latents:
        raise ContractError("The critic is conditioned on the latent 'y', which this codec does not give.")
    return latents["y"]
