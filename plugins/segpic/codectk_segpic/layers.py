"""Building blocks of the transforms (paper section 3, official code): SAL, Down, Up, RU, WAM."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.nn.blocks import GDN, subpixel


class SAL(nn.Module):
    """Scale affine layer: x * (1 + s) + b with s, b computed from x by two 1x1 convolutions."""

    def __init__(self, channels: int):
        super().__init__()
        self.scales_bias = nn.Sequential(
            nn.Conv2d(channels, channels, 1), nn.GELU(), nn.Conv2d(channels, 2 * channels, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        scale, bias = self.scales_bias(x).chunk(2, 1)
        return x * (1 + scale) + bias


def fit_channels(x: Tensor, channels: int) -> Tensor:
    """Means of neighboring channels where there are too many, copies where there are too few."""
    have = x.shape[1]
    if have <= channels:
        return x.repeat_interleave(-(-channels // have), 1)[:, :channels]
    group = -(-have // channels)
    return F.pad(x, (0, 0, 0, 0, 0, group * channels - have)).unflatten(1, (channels, group)).mean(2)


class Down(nn.Module):
    """Convolution with stride 2 (or 1 behind a space-to-depth stem), GDN, SAL.

    Args:
        shortcut: add the input, folded into channels and averaged (Chen et al. 2024, "Deep Compression Autoencoder").
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 5, stride: int = 2, shortcut: bool = False):
        super().__init__()
        self.conv_groups = nn.Sequential(
            nn.Conv2d(in_channels, out_channels, kernel, stride, kernel // 2), GDN(out_channels)
        )
        self.sal: nn.Module = SAL(out_channels)
        self.channels, self.stride, self.shortcut = out_channels, stride, shortcut

    def forward(self, x: Tensor) -> Tensor:
        out = self.sal(self.conv_groups(x))
        return out + fit_channels(F.pixel_unshuffle(x, self.stride), self.channels) if self.shortcut else out


class Up(nn.Module):
    """SAL, upsampling by 2, GDN in the plain division form (as the official decoder has it).

    Args:
        kernel: 0 for the paper's transposed 5x5 convolution, else the kernel of a sub-pixel convolution.
        shortcut: add the input, copied and unfolded into pixels.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel: int = 0, shortcut: bool = False):
        super().__init__()
        self.sal: nn.Module = SAL(in_channels)
        if kernel:
            upsample: nn.Module = subpixel(in_channels, out_channels, kernel)
        else:
            upsample = nn.ConvTranspose2d(in_channels, out_channels, 5, 2, 2, 1)
        self.conv_groups = nn.Sequential(upsample, GDN(out_channels))
        self.channels, self.shortcut = out_channels, shortcut

    def forward(self, x: Tensor) -> Tensor:
        out = self.conv_groups(self.sal(x))
        return out + F.pixel_shuffle(fit_channels(x, 4 * self.channels), 2) if self.shortcut else out


class ResidualUnit(nn.Module):
    """1x1 to half, 3x3, 1x1 back, GELU between; residual; GELU."""

    def __init__(self, channels: int):
        super().__init__()
        half = channels // 2
        self.conv = nn.Sequential(
            nn.Conv2d(channels, half, 1),
            nn.GELU(),
            nn.Conv2d(half, half, 3, 1, 1),
            nn.GELU(),
            nn.Conv2d(half, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x + self.conv(x))


class WindowAttention(nn.Module):
    """Shifted-window self-attention with relative position bias and a residual; no norm, no MLP.

    Shape: (B, C, H, W) with H and W multiples of the window.
    """

    def __init__(self, channels: int, window: int, heads: int):
        super().__init__()
        self.window, self.heads, self.shift = window, heads, window // 2
        self.qkv = nn.Linear(channels, 3 * channels)
        self.proj = nn.Linear(channels, channels)
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)
        at = torch.stack(torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij")).flatten(1)
        delta = at[:, :, None] - at[:, None, :] + window - 1
        self.index: Tensor
        self.register_buffer("index", delta[0] * (2 * window - 1) + delta[1], persistent=False)

    def mask(self, height: int, width: int, device: torch.device) -> Tensor:
        """-100 between positions that only the cyclic shift brought together: (windows, 1, T, T)."""

        def zones(size: int) -> Tensor:
            at = torch.arange(size, device=device)
            return (at >= size - self.window).int() + (at >= size - self.shift).int()

        zone = zones(height)[:, None] * 3 + zones(width)[None, :]
        tokens = self.split(zone[None, None].float())[:, :, 0]  # (windows, T)
        return (tokens[:, None, :] != tokens[:, :, None]).float()[:, None] * -100.0

    def split(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B * windows, T, C)."""
        b, c, h, w = x.shape
        s = self.window
        return x.view(b, c, h // s, s, w // s, s).permute(0, 2, 4, 3, 5, 1).reshape(-1, s * s, c)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        s = self.window
        tokens = self.split(torch.roll(x, (-self.shift, -self.shift), (2, 3)))
        q, k, v = self.qkv(tokens).view(-1, s * s, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.index.flatten()].view(s * s, s * s, self.heads).permute(2, 0, 1)
        mask = self.mask(h, w, x.device)
        if b > 1:
            mask = mask.repeat(b, 1, 1, 1)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=(bias[None] + mask).to(q.dtype))
        out = self.proj(out.transpose(1, 2).reshape(-1, s * s, c))
        out = out.view(b, h // s, w // s, s, s, c).permute(0, 5, 1, 3, 2, 4).reshape(b, c, h, w)
        return x + torch.roll(out, (self.shift, self.shift), (2, 3))


class WAM(nn.Module):
    """Window attention module: x + a(x) * sigmoid(b(x)), b with shifted-window attention in front."""

    def __init__(self, channels: int, window: int, heads: int, units: int):
        super().__init__()
        self.conv_a = nn.Sequential(*(ResidualUnit(channels) for _ in range(units)))
        self.conv_b = nn.Sequential(
            WindowAttention(channels, window, heads),
            *(ResidualUnit(channels) for _ in range(units)),
            nn.Conv2d(channels, channels, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv_a(x) * torch.sigmoid(self.conv_b(x))
