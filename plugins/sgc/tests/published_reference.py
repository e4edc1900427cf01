"""Latent diffusion in plain torch, with the names that its published checkpoints have.

Written from the papers and the names alone, so that our networks with imported weights have something to agree with.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# UNet -------------------------------------------------------------------------------------------------------------


class Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, embedding: int, groups: int):
        super().__init__()
        self.in_layers = nn.Sequential(
            nn.GroupNorm(groups, inputs), nn.SiLU(), nn.Conv2d(inputs, outputs, 3, padding=1)
        )
        self.emb_layers = nn.Sequential(nn.SiLU(), nn.Linear(embedding, outputs))
        self.out_layers = nn.Sequential(
            nn.GroupNorm(groups, outputs), nn.SiLU(), nn.Dropout(0), nn.Conv2d(outputs, outputs, 3, padding=1)
        )
        self.skip_connection = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        h = self.in_layers(x) + self.emb_layers(embedding)[:, :, None, None]
        return self.skip_connection(x) + self.out_layers(h)


class HeadMajorAttention(nn.Module):
    def __init__(self, channels: int, heads: int, groups: int):
        super().__init__()
        self.heads = heads
        self.norm = nn.GroupNorm(groups, channels)
        self.qkv = nn.Conv1d(channels, 3 * channels, 1)
        self.proj_out = nn.Conv1d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        flat = x.flatten(2)
        answers = []
        for head in self.qkv(self.norm(flat)).chunk(self.heads, 1):
            q, k, v = head.chunk(3, 1)
            weight = torch.einsum("bct,bcs->bts", q, k) / math.sqrt(q.shape[1])
            answers.append(torch.einsum("bts,bcs->bct", weight.softmax(-1), v))
        return (flat + self.proj_out(torch.cat(answers, 1))).view_as(x)


class Halve(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.op = nn.Conv2d(channels, channels, 3, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.op(x)


class Double(nn.Module):
    def __init__(self, channels: int):
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.repeat_interleave(2, 2).repeat_interleave(2, 3))


class UNet(nn.Module):
    """Widths by scale; attention in the middle only."""

    def __init__(self, inputs: int, outputs: int, widths: Sequence[int], layers: int, groups: int, heads: int = 8):
        super().__init__()
        first, embedding = widths[0], 4 * widths[0]
        self.first = first
        self.time_embed = nn.Sequential(nn.Linear(first, embedding), nn.SiLU(), nn.Linear(embedding, embedding))
        self.input_blocks = nn.ModuleList([nn.ModuleList([nn.Conv2d(inputs, first, 3, padding=1)])])
        kept, channels = [first], first
        for scale, width in enumerate(widths):
            for _ in range(layers):
                self.input_blocks.append(nn.ModuleList([Residual(channels, width, embedding, groups)]))
                channels = width
                kept.append(channels)
            if scale < len(widths) - 1:
                self.input_blocks.append(nn.ModuleList([Halve(channels)]))
                kept.append(channels)
        self.middle_block = nn.ModuleList(
            [
                Residual(channels, channels, embedding, groups),
                HeadMajorAttention(channels, heads, groups),
                Residual(channels, channels, embedding, groups),
            ]
        )
        self.output_blocks = nn.ModuleList()
        for scale, width in reversed(list(enumerate(widths))):
            for number in range(layers + 1):
                parts: list[nn.Module] = [Residual(channels + kept.pop(), width, embedding, groups)]
                channels = width
                if scale and number == layers:
                    parts.append(Double(channels))
                self.output_blocks.append(nn.ModuleList(parts))
        self.out = nn.Sequential(nn.GroupNorm(groups, channels), nn.SiLU(), nn.Conv2d(channels, outputs, 3, padding=1))

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        half = self.first // 2
        rates = torch.exp(-math.log(10000) * torch.arange(half) / half)
        angles = time[:, None].float() * rates
        embedding = self.time_embed(torch.cat([angles.cos(), angles.sin()], 1))
        kept = []
        for block in self.input_blocks:
            x = self._run(block, x, embedding)
            kept.append(x)
        x = self._run(self.middle_block, x, embedding)
        for block in self.output_blocks:
            x = self._run(block, torch.cat([x, kept.pop()], 1), embedding)
        return self.out(x)

    @staticmethod
    def _run(block: nn.ModuleList, x: Tensor, embedding: Tensor) -> Tensor:
        for part in block:
            x = part(x, embedding) if isinstance(part, Residual) else part(x)
        return x


# VQ model ---------------------------------------------------------------------------------------------------------


class PlainResidual(nn.Module):
    def __init__(self, inputs: int, outputs: int, groups: int):
        super().__init__()
        self.norm1 = nn.GroupNorm(groups, inputs, eps=1e-6)
        self.conv1 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.norm2 = nn.GroupNorm(groups, outputs, eps=1e-6)
        self.conv2 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.nin_shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return self.nin_shortcut(x) + self.conv2(F.silu(self.norm2(h)))


class PlainAttention(nn.Module):
    def __init__(self, channels: int, groups: int):
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels, eps=1e-6)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(x)
        q, k, v = (part(h).flatten(2) for part in (self.q, self.k, self.v))
        weight = (q.transpose(1, 2) @ k / math.sqrt(x.shape[1])).softmax(2)
        return x + self.proj_out((v @ weight.transpose(1, 2)).view_as(x))


def _middle(channels: int, groups: int) -> nn.ModuleDict:
    return nn.ModuleDict(
        {
            "block_1": PlainResidual(channels, channels, groups),
            "attn_1": PlainAttention(channels, groups),
            "block_2": PlainResidual(channels, channels, groups),
        }
    )


def _through(middle: nn.ModuleDict, x: Tensor) -> Tensor:
    for part in middle.values():
        x = part(x)
    return x


def _scale(inputs: int, outputs: int, layers: int, groups: int) -> nn.ModuleDict:
    widths = [inputs, *[outputs] * layers]
    blocks = [PlainResidual(one, other, groups) for one, other in itertools.pairwise(widths)]
    return nn.ModuleDict({"block": nn.ModuleList(blocks)})


class Encoder(nn.Module):
    def __init__(self, latents: int, widths: Sequence[int], layers: int, groups: int):
        super().__init__()
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down = nn.ModuleList()
        for number, (before, width) in enumerate(zip([widths[0], *widths], widths, strict=False)):
            scale = _scale(before, width, layers, groups)
            if number < len(widths) - 1:
                scale["downsample"] = nn.ModuleDict({"conv": nn.Conv2d(width, width, 3, 2)})
            self.down.append(scale)
        self.mid = _middle(widths[-1], groups)
        self.norm_out = nn.GroupNorm(groups, widths[-1], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[-1], latents, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv_in(x)
        for scale in self.down:
            for block in scale["block"]:
                x = block(x)
            if "downsample" in scale:
                x = scale["downsample"]["conv"](F.pad(x, (0, 1, 0, 1)))
        return self.conv_out(F.silu(self.norm_out(_through(self.mid, x))))


class Decoder(nn.Module):
    def __init__(self, latents: int, widths: Sequence[int], layers: int, groups: int):
        super().__init__()
        self.conv_in = nn.Conv2d(latents, widths[-1], 3, padding=1)
        self.mid = _middle(widths[-1], groups)
        scales: list[nn.Module] = []
        for number, width in enumerate(widths):
            before = widths[min(number + 1, len(widths) - 1)]
            scale = _scale(before, width, layers + 1, groups)
            if number:
                scale["upsample"] = Double(width)
            scales.append(scale)
        self.up = nn.ModuleList(scales)  # the first is the finest
        self.norm_out = nn.GroupNorm(groups, widths[0], eps=1e-6)
        self.conv_out = nn.Conv2d(widths[0], 3, 3, padding=1)

    def forward(self, z: Tensor) -> Tensor:
        x = _through(self.mid, self.conv_in(z))
        for scale in reversed(self.up):
            for block in scale["block"]:
                x = block(x)
            if "upsample" in scale:
                x = scale["upsample"](x)
        return self.conv_out(F.silu(self.norm_out(x)))


class VQ(nn.Module):
    """Pictures in [-1, 1]."""

    def __init__(self, latents: int, codes: int, widths: Sequence[int], layers: int, groups: int):
        super().__init__()
        self.encoder = Encoder(latents, widths, layers, groups)
        self.decoder = Decoder(latents, widths, layers, groups)
        self.quantize = nn.ModuleDict({"embedding": nn.Embedding(codes, latents)})
        self.quant_conv = nn.Conv2d(latents, latents, 1)
        self.post_quant_conv = nn.Conv2d(latents, latents, 1)

    def encode(self, x: Tensor) -> Tensor:
        return self.quant_conv(self.encoder(x))

    def decode(self, z: Tensor) -> Tensor:
        book = self.quantize["embedding"].weight
        flat = z.permute(0, 2, 3, 1)
        nearest = (flat[..., None, :] - book).square().sum(-1).argmin(-1)
        return self.decoder(self.post_quant_conv(book[nearest].permute(0, 3, 1, 2)))


# The whole --------------------------------------------------------------------------------------------------------


class LatentDiffusion(nn.Module):
    """Semantic synthesis; `averaged` is the UNet that pictures are made with.

    Args:
        config: fields as in codectk_sgc.config.Config.
    """

    def __init__(self, config: Any):
        super().__init__()
        seen = config.latents + config.planes
        arguments = (seen, config.latents, config.widths, config.layers, config.groups)
        self.model = nn.ModuleDict({"diffusion_model": UNet(*arguments)})
        self.averaged = UNet(*arguments)
        self.first_stage_model = VQ(config.latents, config.codes, config.vq_widths, config.vq_layers, config.vq_groups)
        self.mapper = nn.Conv2d(config.classes, config.planes, 1, bias=False)
        self.halvings = len(config.vq_widths) - 1
        self.register_buffer("betas", torch.linspace(0.0015**0.5, 0.0205**0.5, 1000, dtype=torch.float64) ** 2)

    def condition(self, labels: Tensor) -> Tensor:
        """Planes at the latents' scale of labels of pixels, int64 (B, H, W)."""
        x = F.one_hot(labels, self.mapper.in_channels).permute(0, 3, 1, 2).float()
        for _ in range(self.halvings):
            x = F.interpolate(x, scale_factor=0.5, mode="bilinear")
        return self.mapper(x)

    @torch.no_grad()
    def sample(self, colors: Tensor, labels: Tensor, noise: Tensor, steps: int, taken: int, guidance: float) -> Tensor:
        """DDIM's last `taken` of `steps` steps, from an enlarged color map (B, 3, H, W) in [-1, 1]: a picture."""
        kept = torch.cumprod(1 - self.betas, 0)
        times = range(1, 1001, 1000 // steps)
        before = [0, *times]
        led, start = self.condition(labels), self.first_stage_model.encode(colors)
        first = kept[times[taken - 1]]
        x = (first.sqrt() * start + (1 - first).sqrt() * noise).float()
        for number in reversed(range(taken)):
            at = torch.full((len(x),), times[number])
            free = self.averaged(torch.cat([x, 0 * led], 1), at)
            said = free + guidance * (self.averaged(torch.cat([x, led], 1), at) - free)
            now, then = kept[times[number]], kept[before[number]]
            clean = (x - (1 - now).sqrt() * said) / now.sqrt()
            x = (then.sqrt() * clean + (1 - then).sqrt() * said).float()
        return self.first_stage_model.decode(x)

    def checkpoint(self) -> dict[str, Tensor]:
        """The state dict as it was published."""
        state = self.state_dict()
        named: dict[str, Tensor] = {}
        for name, value in state.items():
            if name.startswith("averaged."):
                named["model_ema." + name.replace("averaged.", "diffusion_model.", 1).replace(".", "")] = value
            elif name.startswith("mapper."):
                named[name.replace("mapper.", "cond_stage_model.channel_mapper.")] = value
            else:
                named[name] = value.float()
        kept = torch.cumprod(1 - self.betas, 0)
        return named | {
            "model_ema.decay": torch.tensor(0.9999),
            "model_ema.num_updates": torch.tensor(7, dtype=torch.int),
            "alphas_cumprod": kept.float(),
            "alphas_cumprod_prev": F.pad(kept[:-1], (1, 0), value=1).float(),
            "sqrt_one_minus_alphas_cumprod": (1 - kept).sqrt().float(),
            "posterior_mean_coef1": torch.zeros(1000),
            "logvar": torch.zeros(1000),
            "first_stage_model.loss.discriminator.main.0.weight": torch.zeros(4, 3, 4, 4),
        }
