"""The checkpoint of latent diffusion's semantic synthesis (Rombach et al. 2022), as Lightning wrote it.

model.diffusion_model.*   the UNet as it was trained, not used
model_ema.*               its moving average, which is: the same names with all dots but the first left out
first_stage_model.*       the VQ model
cond_stage_model.*        labels to planes
betas, ...                the noising process, which must be ours
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codectk.base.errors import WeightsError
from codectk_sgc.config import Config
from codectk_sgc.decoder.denoiser import HEADS
from codectk_sgc.decoder.schedule import schedule
from codectk_sgc.published.names import unet_name, vq_name
from codectk_sgc.published.reading import State
from codectk_sgc.published.taking import Arrays, Taking, under

WHAT = "semantic synthesis of latent diffusion"

AVERAGE, VQ, LABELS = "model_ema.", "first_stage_model.", "cond_stage_model."
UNET, AUTOENCODER, RESCALER = "synthesis.denoiser.unet.", "synthesis.autoencoder.", "synthesis.denoiser.rescaler."

_IGNORED = re.compile(
    r"""model\.diffusion_model\.                # as trained, where the average is used
    | model_ema\.(decay|num_updates)$
    | (first_stage_model\.)?loss\.              # perceptual loss and discriminator
    | first_stage_model\.model_ema\.
    | alphas_cumprod_prev$ | log_one_minus_alphas_cumprod$ | lvlb_weights$ | logvar$
    | sqrt_(one_minus_|recip_|recipm1_)?alphas_cumprod$
    | posterior_(variance|log_variance_clipped|mean_coef[12])$""",
    re.VERBOSE,
)
_PROJECTION = re.compile(r"^(.*\.)to_([qkv])\.(weight|bias)$")


def is_ldm(state: State) -> bool:
    """Whether these are a latent diffusion's tensors."""
    return any(name.startswith((AVERAGE, VQ, "model.diffusion_model.")) for name in state)


def ldm_arrays(state: State, config: Config, shapes: Mapping[str, torch.Size], where: str) -> Arrays:
    """The decoder's weights under our names.

    Args:
        state: the checkpoint's tensors.
        config: the network they are for.
        shapes: of that network's state.
        where: how to call the file in messages.

    Raises:
        WeightsError: a tensor is missing, superfluous, of another shape or not finite, or the process is another one.
    """
    taking = Taking(state, where, WHAT)
    arrays: Arrays = {}
    for ours, shape in under(f"{AUTOENCODER}vq.", shapes).items():
        arrays[f"{AUTOENCODER}vq.{ours}"] = taking.array(f"{VQ}{vq_name(ours, config)}", shape)
    for ours, shape in under(UNET, shapes).items():
        arrays[UNET + ours] = _averaged(taking, unet_name(ours, config), shape)
    for ours, shape in under(RESCALER, shapes).items():
        arrays[RESCALER + ours] = taking.array(LABELS + ours, shape)
    # Latents are used as they are.
    for ours, constant in (("mean", 0.0), ("deviation", 1.0)):
        arrays[AUTOENCODER + ours] = np.full(shapes[AUTOENCODER + ours], constant, np.float32)
    _check_process(taking, state, config, where)
    taking.close(_IGNORED)
    return arrays


def _averaged(taking: Taking, name: str, shape: torch.Size) -> np.ndarray:
    """A tensor of the UNet's average."""
    match = _PROJECTION.match(name)
    if match is None:
        return taking.array(_average_name(name), shape)
    together = taking.take(_average_name(f"{match[1]}qkv.{match[3]}"), (3 * shape[0], *shape[1:]))
    return np.array(split_heads(together, "qkv".index(match[2])).numpy())


def split_heads(qkv: Tensor, part: int) -> Tensor:
    """Queries, keys or values (C, ...) of a tensor (3 C, ...) that has one head after the other, each with all three.

    Args:
        qkv: weight or bias of the projection.
        part: 0 for queries, 1 for keys, 2 for values.
    """
    channels = len(qkv) // 3
    return qkv.reshape(HEADS, 3, channels // HEADS, *qkv.shape[1:])[:, part].reshape(channels, *qkv.shape[1:])


def _average_name(name: str) -> str:
    return AVERAGE + f"diffusion_model.{name}".replace(".", "")


def _check_process(taking: Taking, state: State, config: Config, where: str) -> None:
    process: Any = schedule(config)
    for name in ("betas", "alphas_cumprod"):
        ours: Tensor = getattr(process, name)
        if not torch.allclose(taking.take(name, ours.shape), ours, rtol=1e-3, atol=1e-6):
            raise WeightsError(f"{where} is no {WHAT}: its '{name}' are of another noising process.")
    if "scale_factor" in state and float(taking.take("scale_factor", ())) != 1:
        raise WeightsError(f"{where} is no {WHAT}: its latents are scaled by {float(state['scale_factor']):g}.")
