"""The noising process: diffusers' DDIMScheduler (Song et al. 2021, "Denoising diffusion implicit models")."""

from __future__ import annotations

from diffusers import DDIMScheduler

from codectk_sgc.config import Config


def schedule(config: Config) -> DDIMScheduler:
    """A fresh scheduler: roots of the variances are spaced evenly, and nothing is clipped.

    With 200 steps its times are those of latent diffusion: 996, 991, ..., 1.
    """
    first, last = config.betas
    return DDIMScheduler(
        num_train_timesteps=config.times,
        beta_start=first,
        beta_end=last,
        beta_schedule="scaled_linear",
        prediction_type=config.predicts,
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
