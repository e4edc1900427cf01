"""What the decoder's networks learn from photos.

autoencode   pixels to latents and back, latents as they are
quantize     the same through the codebook, which starts from latents of the first batch
diffuse      latents out of noise, given labels and colors, either of which is left out at times
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from codectk.base.errors import UsageError
from codectk.programs.configurations import check_options
from codectk.spec.training import Batch, Lesson
from codectk_sgc.decoder.colors import decoded_colors, shown
from codectk_sgc.decoder.schedule import schedule
from codectk_sgc.decoder.synthesis import Synthesis
from codectk_sgc.labels.coder import STRIDE

COMMITMENT = 0.25
"""Weight of the latents' distance from the codebook, beside that of the codebook from the latents (van den Oord et al.
2017, equation 3). Distances are absolute: relative to the spread, latents could flee from a slow codebook."""

LEFT_OUT = 0.1
"""How often labels, and independently colors, are left out."""


def _autoencode(synthesis: Synthesis, batch: Batch) -> dict[str, Tensor]:
    raw = synthesis.autoencoder.raw(batch.pictures)
    return _rendered(synthesis, batch, raw)


def _quantize(synthesis: Synthesis, batch: Batch) -> dict[str, Tensor]:
    autoencoder = synthesis.autoencoder
    raw = autoencoder.raw(batch.pictures).float()
    codebook = autoencoder.vq.quantize
    if float(codebook.embedding.weight.detach().abs().max()) <= 1 / codebook.n_e:  # as it was made
        _fill(codebook.embedding.weight, raw)
    autoencoder.observe(raw)
    chosen, _, (_, _, used) = codebook(raw)
    # `chosen` passes gradients straight through to `raw`; the codebook has its own.
    nearest = codebook.embedding(used).view(raw.shape[0], *raw.shape[2:], -1).permute(0, 3, 1, 2)
    codebook_loss = (nearest - raw.detach()).square().mean()
    commitment = (nearest.detach() - raw).square().mean()
    return {
        **_rendered(synthesis, batch, chosen),
        "codebook": codebook_loss,
        "commitment": COMMITMENT * commitment,
        "~used": torch.tensor(float(used.unique().numel())),
        "~spread": raw.detach().std(),
    }


def _rendered(synthesis: Synthesis, batch: Batch, raw: Tensor) -> dict[str, Tensor]:
    made = synthesis.autoencoder.rendered(raw).float()
    mse = (made.detach().clamp(0, 1) - batch.pictures).square().mean((1, 2, 3))
    return {"distortion": batch.distortion(made, batch.pictures).mean(), "~psnr": (-10 * mse.log10()).mean()}


@torch.no_grad()
def _fill(codebook: Tensor, raw: Tensor) -> None:
    """Points between pairs of the batch's latents, most of them near one of the two."""
    found = raw.transpose(0, 1).flatten(1).T
    one, other = (found[torch.randint(len(found), (len(codebook),))] for _ in range(2))
    codebook.copy_(torch.lerp(one, other, 0.3 * torch.rand(len(codebook), 1)))


def _diffuse(synthesis: Synthesis, batch: Batch) -> dict[str, Tensor]:
    if batch.labels is None:
        raise UsageError("SGC's lesson 'diffuse' needs data.labels, a folder of label maps.")
    config, x = synthesis.config, batch.pictures
    with torch.no_grad():
        clean = synthesis.autoencoder.encode(x).float()
    process = schedule(config)
    noise = torch.stack([torch.randn(clean.shape[1:], generator=one) for one in batch.noise]).to(x.device)
    draws = torch.stack([torch.rand(3, generator=one) for one in batch.noise]).to(x.device)
    time = (draws[:, 0] * config.times).long()
    with_labels, with_colors = (draws[:, 1:] >= LEFT_OUT).float().view(-1, 2, 1, 1, 1).unbind(1)
    planes = synthesis.denoiser.rescaler(cells(batch.labels, config.classes)) * with_labels
    colors = None
    if config.sees_colors:
        colors = shown(decoded_colors(x), *clean.shape[-2:]) * with_colors
    noisy = process.add_noise(clean, noise, time)
    wanted = process.get_velocity(clean, noise, time) if config.predicts == "v_prediction" else noise
    said = synthesis.denoiser(noisy, time, planes, colors).float()
    errors = (said - wanted).square().mean((1, 2, 3))
    return {"denoise": errors.mean()}


def cells(labels: Tensor, classes: int) -> Tensor:
    """Majority of the groups 1..classes in cells of 16 pixels, less one: int64 (B, H/16, W/16); void has no vote.

    Args:
        labels: int64 (B, H, W), 0 void.
    """
    votes = F.one_hot(labels, classes + 1)[..., 1:].float().permute(0, 3, 1, 2)
    return F.avg_pool2d(votes, STRIDE).argmax(1)


def autoencode(options: Mapping[str, Any]) -> Lesson:
    """Pixels to latents and back, for any network with SGC's synthesis: the codec's own or one of a recipe of parts.

    Raises:
        UsageError: there are options, of which it has none.
    """
    check_options("sgc.autoencode", options)
    return _lesson(_autoencode)


def quantize(options: Mapping[str, Any]) -> Lesson:
    """The same through the codebook."""
    check_options("sgc.quantize", options)
    return _lesson(_quantize)


def diffuse(options: Mapping[str, Any]) -> Lesson:
    """Latents out of noise, given labels and colors."""
    check_options("sgc.diffuse", options)
    return _lesson(_diffuse)


def _lesson(taught: Callable[[Synthesis, Batch], Mapping[str, Tensor]]) -> Lesson:
    return lambda network, batch: taught(network.synthesis, batch)
