"""From a color map and noise to latents: SDEdit's start, DDIM's steps, guidance by the labels."""

from __future__ import annotations

import torch
from torch import Tensor

from codectk.base.errors import UsageError
from codectk.base.progress import report
from codectk_sgc.config import Config
from codectk_sgc.decoder.denoiser import Denoiser
from codectk_sgc.decoder.schedule import schedule


def times(config: Config, steps: int, strength: float) -> Tensor:
    """The times of the steps to take, from noisy to clean: int64 (n,).

    Args:
        config: of the network.
        steps: steps of the whole process; with strength s, the last round(s * steps) of them are taken, at least one.
        strength: where to start, 0..1 (SDEdit, Meng et al. 2022).

    Raises:
        UsageError: more steps than the process has times.
    """
    if steps > config.times:
        raise UsageError(f"The diffusion has {config.times} steps at most, not {steps}.")
    process = schedule(config)
    process.set_timesteps(steps)
    taken = max(round(strength * steps), 1)
    chosen: Tensor = process.timesteps[steps - taken :]
    return chosen


@torch.inference_mode()
def denoised(
    denoiser: Denoiser,
    config: Config,
    start: Tensor,
    noise: Tensor,
    labels: Tensor | None,
    colors: Tensor | None,
    *,
    steps: int,
    strength: float,
    guidance: float,
) -> Tensor:
    """Latents float32 (1, latents, h, w).

    The start is noised for exactly the first time that is then denoised. Steps are DDIM's with eta 0, so nothing but
    `noise` is random. The prediction is p0 + guidance (p1 - p0), with labels in p1 and planes of zeros in p0 (Ho and
    Salimans 2022); at guidance 1, p0 is not computed, and without labels, p1 is not. Every step is reported, see
    `codectk.base.progress`.

    Args:
        denoiser, config: the network.
        start: standardized latents of the colors, (1, latents, h, w).
        noise: normal numbers of the same shape.
        labels: int64 (1, H/16, W/16), or None to paint without.
        colors: what the denoiser sees of them, (1, 3, h, w) in [-1, 1]; None for one that sees none.
        steps, strength: see `times`.
        guidance: how much labels count.
    """
    process = schedule(config)
    process.set_timesteps(steps)
    some = times(config, steps, strength)
    null = torch.zeros_like(start[:, :1]).expand(-1, config.planes, -1, -1)
    planes = null if labels is None else denoiser.rescaler(labels)
    guided = labels is not None and guidance != 1
    latents: Tensor = process.add_noise(start, noise, some[:1])
    for number, time in enumerate(some):
        said = denoiser(latents, time.expand(1), planes, colors)
        if guided:
            unled = denoiser(latents, time.expand(1), null, colors)
            said = unled + guidance * (said - unled)
        latents = process.step(said, int(time), latents).prev_sample
        report(number + 1, len(some))
    return latents
