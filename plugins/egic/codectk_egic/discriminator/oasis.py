"""OASIS-C: a U-Net that gives every pixel a class or calls it fake, conditioned on the latents.

Sources: Sushko et al. 2021, "You Only Need Adversarial Supervision for Semantic Image Synthesis" (network, losses);
Körber et al. 2024, "EGIC", section 3.1 (weight norm, latent branch).

    x -> [pre-emphasis] -> [space-to-depth] -> down blocks -> up blocks, each reading the mirrored down block too -> h
    h -> 1x1 conv -> logits
    y -> conv, leaky ReLU, repetition -> l;  q = sum_c l_c h_c is added to logits (see COND_MODES)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.errors import UsageError
from codectk.programs.configurations import configured
from codectk.spec.stages import LatentSpec
from codectk_egic.discriminator.convolution import Conv, conv, repeated
from codectk_egic.discriminator.emphasis import emphasized
from codectk_egic.discriminator.labelmix import draw_table, inconsistency, mask_of, mixture
from codectk_egic.discriminator.latent import STRIDE, LatentBranch, latent_of
from codectk_egic.discriminator.losses import class_weights, cross_entropy, share, targets_of

COND_MODES = ("official", "real_only", "concat")
"""What the latents do: q is added to all logits, as published, which no softmax can see; q is added to all classes
but "fake"; or l is read beside the picture, and there is no q."""


@dataclass(frozen=True)
class Config:
    """Shape and losses of an OASIS-C.

    Attributes:
        classes: N; label maps hold 1..N, and 0 for void. There are N + 1 logits, the last one for fakes.
        latent: channels of y.
        channels: widths of the down blocks.
        last: channels of the last feature h.
        stem: space-to-depth factor in front (1: none); logits come back by depth-to-space.
        cond_mode: one of `COND_MODES`.
        compress_latents: see `LatentBranch`.
        balance: weigh classes by inverse frequency.
        labelmix: weight of the LabelMix term; 0: none.
        emphasis: gain of fine detail in front, see `emphasized`; 0, as published: none.
    """

    classes: int
    latent: int
    channels: tuple[int, ...]
    last: int
    stem: int
    cond_mode: str = "real_only"
    compress_latents: bool = True
    balance: bool = True
    labelmix: float = 10.0
    emphasis: float = 0.0

    def __post_init__(self) -> None:
        if self.cond_mode not in COND_MODES:
            raise UsageError(f"cond_mode must be one of {', '.join(COND_MODES)}, not {self.cond_mode!r}.")
        if self.stem not in (1, 2, 4):
            raise UsageError(f"stem must be 1, 2 or 4, not {self.stem!r}.")
        if self.classes < 1 or not self.channels:
            raise UsageError("OASIS-C needs at least one class and one block.")
        if not self.emphasis >= 0:
            raise UsageError(f"emphasis must be at least 0, not {self.emphasis!r}.")


FULL = Config(134, 320, (128, 128, 256, 256, 512, 512), 64, 1, compress_latents=False)
"""The published widths. Its heads count void, which is never a target, among 134 classes."""

SMALL = Config(13, 160, (32, 64, 96, 128), 24, 2, emphasis=6.0)
"""For crops of 192 pixels on one processor core."""

CONFIGS = {"full": FULL, "small": SMALL}


class Down(nn.Module):
    """Residual block, resolution halved: (B, in, H, W) -> (B, out, H/2, W/2)."""

    def __init__(self, in_channels: int, out_channels: int, first: bool):
        super().__init__()
        self.first = first
        self.conv1, self.conv2 = conv(in_channels, out_channels), conv(out_channels, out_channels)
        self.conv_s = conv(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x: Tensor) -> Tensor:
        main = self.conv1(x if self.first else F.leaky_relu(x, 0.2))
        main = self.conv2.then_halve(F.leaky_relu(main, 0.2))
        side: Tensor = _maybe(self.conv_s, F.avg_pool2d(x, 2))  # 1x1 convolution and mean commute
        return side + main


class Up(nn.Module):
    """Residual block, resolution doubled: (B, in, H, W) -> (B, out, 2H, 2W)."""

    def __init__(self, in_channels: int, out_channels: int):
        super().__init__()
        self.conv1, self.conv2 = conv(in_channels, out_channels), conv(out_channels, out_channels)
        self.conv_s = conv(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x: Tensor) -> Tensor:
        main: Tensor = self.conv1.of_doubled(F.leaky_relu(x, 0.2))  # the leaky ReLU and repetition commute, ...
        main = self.conv2(F.leaky_relu(main, 0.2))
        return main + repeated(_maybe(self.conv_s, x), 2)  # ... and so do a 1x1 convolution and repetition


def fold(x: Tensor, s: int) -> Tensor:
    """Space to depth like `F.pixel_unshuffle`, in one copy to channels-last."""
    b, c, height, width = x.shape
    x = x.reshape(b, c, height // s, s, width // s, s).permute(0, 2, 4, 1, 3, 5)
    return x.reshape(b, height // s, width // s, c * s * s).permute(0, 3, 1, 2)


def unfold(x: Tensor, s: int) -> Tensor:
    """Depth to space like `F.pixel_shuffle`, in one copy from channels-last to planes, which the losses read."""
    b, c, height, width = x.shape
    x = x.reshape(b, c // s**2, s, s, height, width).permute(0, 1, 4, 2, 5, 3)
    return x.reshape(b, c // s**2, height * s, width * s)


def hits(logits: Tensor, best: Tensor, targets: Tensor) -> Tensor:
    """Share of counted pixels whose target has the best logit."""
    return share(logits.gather(1, targets.clamp_min(0)[:, None])[:, 0] >= best, targets >= 0)


def real_odds(logits: Tensor) -> Tensor:
    """Log-odds of "one of the N classes" against "fake": (B, N + 1, H, W) -> float32 (B, H, W)."""
    logits = logits.float()
    return logits[:, :-1].logsumexp(1) - logits[:, -1]


def _maybe(layer: Conv | None, x: Tensor) -> Tensor:
    return x if layer is None else layer(x)


class OasisC(nn.Module):
    """The critic.

    Attributes:
        needs, needs_labels: see `codectk.spec.training.Discriminator`.
        new_at_gan: prefixes of parameters that segmentation training leaves as they were at the start.
        stride: sides that are no multiples of this many pixels are padded with copies of the border.
    """

    needs_labels = True
    new_at_gan = ("latent",)

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.needs = (LatentSpec("y", config.latent, STRIDE),)
        self.stride = config.stem * 2 ** len(config.channels)
        down, stem = config.channels, config.stem
        side = config.last if config.cond_mode == "concat" else 0
        self.down = nn.ModuleList(
            Down(a, b, first=i == 0) for i, (a, b) in enumerate(zip((3 * stem**2 + side, *down), down, strict=False))
        )
        mirrored = down[::-1]
        made = (*mirrored[1:], config.last)
        read = (mirrored[0], *(2 * width for width in mirrored[1:]))
        self.up = nn.ModuleList(Up(a, b) for a, b in zip(read, made, strict=True))
        self.out = Conv(config.last, (config.classes + 1) * stem**2, 1)
        self.latent = LatentBranch(config.latent, config.last, "weight", config.compress_latents, silent=True)
        self.conditioned: Tensor  # 1 for every logit that q is added to
        conditioned = torch.ones(1, config.classes + 1, 1, 1)
        conditioned[:, -1] = float(config.cond_mode == "official")
        self.register_buffer("conditioned", conditioned.repeat_interleave(stem**2, 1), persistent=False)

    def forward(self, x: Tensor, y: Tensor | None = None) -> Tensor:
        """Logits of every pixel.

        Args:
            x: (B, 3, H, W), nominally in [0, 1].
            y: (B, M, ceil(H / 16), ceil(W / 16)) or more positions, or None for no condition.

        Returns:
            (B, N + 1, H, W); index n - 1 for label n, index N for "fake".
        """
        height, width = x.shape[2:]
        below, right = -height % self.stride, -width % self.stride
        s, concat = self.config.stem, self.config.cond_mode == "concat"
        x = 2 * x - 1
        if below or right:
            x = F.pad(x, (0, right, 0, below), mode="replicate")
        x = fold(emphasized(x, self.config.emphasis), s)
        known = None
        if y is not None:
            known = self.latent(y, height + -height % s, width + -width % s, s)
            known = F.pad(known, (0, x.shape[3] - known.shape[3], 0, x.shape[2] - known.shape[2]))
        if concat:
            empty = x.new_zeros(x.shape[0], self.config.last, *x.shape[2:])
            x = torch.cat([x, empty if known is None else known.to(x.dtype)], 1)
        h = self.features(x.contiguous(memory_format=torch.channels_last))
        logits = self.out(h)
        if known is not None and not concat:
            q = (known * h).sum(1, keepdim=True)
            logits = torch.addcmul(logits, q.to(logits.dtype), self.conditioned.to(logits.dtype))
        return unfold(logits, s)[:, :, :height, :width]

    def features(self, x: Tensor) -> Tensor:
        """Last feature h of the U-Net at its input's resolution."""
        seen = []
        for block in self.down:
            x = block(x)
            seen.append(x)
        for number, block in enumerate(self.up):
            x = block(x if number == 0 else torch.cat([x, seen[-1 - number]], 1))
        return x

    def generator_loss(self, fake: Tensor, labels: Tensor | None, latents: Mapping[str, Tensor]) -> Tensor:
        """Cross-entropy of the codec's pictures against the real label maps: float32 (B,)."""
        targets = targets_of(labels, self.config.classes)
        return cross_entropy(self(fake, latent_of(latents)), targets, self._weights(targets))

    def discriminator_loss(
        self, real: Tensor, fake: Tensor, labels: Tensor | None, latents: Mapping[str, Tensor]
    ) -> dict[str, Tensor]:
        """Terms `real`, `fake`, `labelmix` and statistics, float32 scalars.

        `~accuracy_fake` and `~accuracy_real` are shares of pixels whose best logit is "fake" and is not. A pixel whose
        class is unclear has no class above 1/2, so that its best logit is "fake" already at a low probability;
        `~told_fake` and `~told_real` are the shares with "fake" above and below 1/2. `~accuracy_class` is the share of
        labelled pixels of real pictures whose class is right.
        """
        y, n = latent_of(latents), self.config.classes
        targets = targets_of(labels, n)
        pictures = [real, fake.detach()]
        if self.config.labelmix > 0:
            mask = mask_of(targets + 1, draw_table(n))
            pictures.append(mixture(mask, *pictures))
        count = len(pictures)
        on_real, on_fake, *on_mixed = self(torch.cat(pictures), y.repeat(count, 1, 1, 1)).chunk(count)
        terms = {
            "real": cross_entropy(on_real, targets, self._weights(targets)).mean(),
            "fake": cross_entropy(on_fake, torch.full_like(targets, n)).mean(),
        }
        if on_mixed:
            terms["labelmix"] = self.config.labelmix * inconsistency(on_mixed[0], mask, on_real, on_fake)
        with torch.no_grad():
            best = on_real.amax(1)  # amax is many times faster than argmax here
            terms["~accuracy_real"] = share(on_real[:, n] < best)
            terms["~accuracy_fake"] = share(on_fake[:, n] >= on_fake.amax(1))
            terms["~told_real"] = share(real_odds(on_real) > 0)
            terms["~told_fake"] = share(real_odds(on_fake) < 0)
            terms["~accuracy_class"] = hits(on_real, best, targets)
        return terms

    def pretraining_loss(self, real: Tensor, labels: Tensor | None) -> dict[str, Tensor]:
        """Segmentation of real pictures among the N classes; neither "fake" nor the latents take part."""
        n = self.config.classes
        targets = targets_of(labels, n)
        logits = self(real)[:, :n]
        return {
            "segmentation": cross_entropy(logits, targets, self._weights(targets)).mean(),
            "~accuracy_class": hits(logits.detach(), logits.detach().amax(1), targets),
        }

    def _weights(self, targets: Tensor) -> Tensor | None:
        return class_weights(targets, self.config.classes) if self.config.balance else None


def build(options: Mapping[str, Any]) -> OasisC:
    """An untrained critic.

    Args:
        options: `config` ("small", the default, or "full") and fields of `Config` to change.

    Raises:
        UsageError: an unknown configuration or field, or a value out of range.
    """
    return OasisC(configured("OASIS-C", CONFIGS, options))
