"""What the decoder does around its networks, on arrays of any library: SDEdit's start, DDIM's steps, guidance.

colors -> begun, noised for the first time -> DDIM, labels and colors seen at each step -> rendered
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from array_api_compat import array_namespace, device

from codectk.base.errors import ContractError, UsageError
from codectk.base.progress import report
from codectk.base.types import Context
from codectk_sgc.colors.quantize import planes
from codectk_sgc.config import Config
from codectk_sgc.decoder.noise import start_noise


class Denoiser(Protocol):
    """What one step of the diffusion asks.

    Attributes:
        rescaler: labels (B, H/16, W/16) to planes of the latents' size.
    """

    @property
    def rescaler(self) -> Any: ...

    def __call__(self, noisy: Any, time: Any, planes: Any, colors: Any) -> Any: ...


class Networks(Protocol):
    """Every network of the decoder, and what it needs beside them.

    Attributes:
        config: widths.
        denoiser: see there.
        begun: colors (1, 3, h, w) in [0, 1] to standardized latents of their enlargement.
        seen: colors as the denoiser sees them, at the latents' size.
        rendered: standardized latents to a picture.
        array: a numpy array in the networks' world.
        resized: a picture (1, 3, H, W) at another size.
    """

    config: Config

    @property
    def denoiser(self) -> Denoiser: ...
    def begun(self, colors: Any) -> Any: ...
    def seen(self, colors: Any) -> Any: ...
    def rendered(self, latents: Any) -> Any: ...
    def array(self, values: npt.NDArray[Any]) -> Any: ...
    def resized(self, x: Any, height: int, width: int) -> Any: ...


def synthesize(nets: Networks, latents: Mapping[str, Any], ctx: Context) -> Any:
    """Both maps to the picture, float32 (1, 3, height, width)."""
    knobs = ctx.knobs
    x = paint(
        nets,
        latents["labels"],
        latents["colors"],
        seed=int(knobs["seed"]),
        steps=int(knobs["steps"]),
        strength=float(knobs["strength"]),
        guidance=float(knobs["guidance"]),
    )
    return x if tuple(x.shape[-2:]) == (ctx.height, ctx.width) else nets.resized(x, ctx.height, ctx.width)


def paint(
    nets: Networks,
    labels: npt.NDArray[np.integer] | None,
    levels: npt.NDArray[np.integer],
    *,
    seed: int,
    steps: int,
    strength: float,
    guidance: float,
    with_colors: bool = True,
) -> Any:
    """A picture float32 (1, 3, 32 h, 32 w), nominally in [0, 1].

    Args:
        nets: the networks.
        labels: (2 h, 2 w) in 0..classes-1, or None to paint without.
        levels: color map (h, w, 3).
        seed: of the start noise.
        steps, strength, guidance: see `denoised`.
        with_colors: False to start from noise alone and to show no colors.

    Raises:
        ContractError: labels that it does not know.
    """
    config = nets.config
    if labels is not None and not 0 <= labels.min() <= labels.max() < config.classes:
        raise ContractError(
            f"SGC's diffusion knows labels 0 to {config.classes - 1}, not {labels.min()} to {labels.max()}."
        )
    inner = tuple(32 * side // config.stride for side in levels.shape[:2])
    colors = nets.array(planes(levels))
    noise = nets.array(start_noise(seed, (1, config.latents, *inner)))
    start = nets.begun(colors) if with_colors else 0 * noise
    cells = None if labels is None else nets.array(np.asarray(labels, np.int64)[None])
    made = denoised(
        nets.denoiser,
        config,
        start,
        noise,
        cells,
        nets.seen(colors) * with_colors if config.sees_colors else None,
        steps=steps,
        strength=strength if with_colors else 1.0,
        guidance=guidance,
    )
    return nets.rendered(made)


def times(config: Config, steps: int, strength: float) -> npt.NDArray[np.int64]:
    """The times of the steps to take, from noisy to clean: int64 (n,).

    With 200 steps they are those of latent diffusion: 996, 991, ..., 1.

    Args:
        config: of the network.
        steps: steps of the whole process; with strength s, the last round(s * steps) of them are taken, at least one.
        strength: where to start, 0..1 (SDEdit, Meng et al. 2022).

    Raises:
        UsageError: more steps than the process has times.
    """
    if steps > config.times:
        raise UsageError(f"The diffusion has {config.times} steps at most, not {steps}.")
    every: npt.NDArray[np.int64] = np.arange(steps, dtype=np.int64)[::-1] * (config.times // steps) + 1
    return every[steps - max(round(strength * steps), 1) :]


def denoised(
    denoiser: Denoiser,
    config: Config,
    start: Any,
    noise: Any,
    labels: Any | None,
    colors: Any | None,
    *,
    steps: int,
    strength: float,
    guidance: float,
) -> Any:
    """Latents float32 (1, latents, h, w).

    The start is noised for exactly the first time that is then denoised. Steps are DDIM's with eta 0 (Song et al. 2021,
    "Denoising diffusion implicit models"), so nothing but `noise` is random. The prediction is p0 + guidance (p1 - p0),
    with labels in p1 and planes of zeros in p0 (Ho and Salimans 2022); at guidance 1, p0 is not computed, and without
    labels, p1 is not. Every step is reported, see `codectk.base.progress`.

    Args:
        denoiser, config: the network.
        start: standardized latents of the colors, (1, latents, h, w).
        noise: normal numbers of the same shape.
        labels: int64 (1, H/16, W/16), or None to paint without.
        colors: what the denoiser sees of them, (1, 3, h, w) in [-1, 1]; None for one that sees none.
        steps, strength: see `times`.
        guidance: how much labels count.
    """
    xp = array_namespace(start)
    some, left = times(config, steps, strength), xp.asarray(kept(config), device=device(start))
    null = xp.broadcast_to(xp.zeros_like(start[:, :1]), (1, config.planes, *start.shape[-2:]))
    shown = null if labels is None else denoiser.rescaler(labels)
    guided = labels is not None and guidance != 1
    # As (1, 1, 1, 1), which gives the latents the layout in memory that pictures of seeds were made in so far.
    signal, disorder = (xp.reshape(part, (1, 1, 1, 1)) for part in roots(left[int(some[0])]))
    latents = signal * start + disorder * noise
    for number, time in enumerate(some):
        at = xp.asarray([int(time)], dtype=xp.int64, device=device(start))
        said = denoiser(latents, at, shown, colors)
        if guided:
            unled = denoiser(latents, at, null, colors)
            said = unled + guidance * (said - unled)
        before = time - config.times // steps
        latents = stepped(config, left[int(time)], left[int(max(before, 0))], said, latents)
        report(number + 1, len(some))
    return latents


def stepped(config: Config, now: Any, then: Any, said: Any, latents: Any) -> Any:
    """One step of DDIM, from a time at which `now` of the signal's power is left to one with `then`."""
    signal, disorder = roots(now)
    if config.predicts == "v_prediction":
        clean, noise = signal * latents - disorder * said, signal * said + disorder * latents
    else:
        clean, noise = (latents - disorder * said) / signal, said
    signal, disorder = roots(then)
    return signal * clean + disorder * noise


def roots(power: Any) -> tuple[Any, Any]:
    """Amplitudes of signal and noise where so much of the signal's power is left, an array without axes."""
    return power**0.5, (1 - power) ** 0.5


def kept(config: Config) -> npt.NDArray[np.float32]:
    """What is left of the signal's power at each time, float32 (times,): diffusers' `alphas_cumprod`, to the bit.

    Roots of the variances of the noise are spaced evenly, from both ends as torch.linspace does.
    """
    first, last = (np.float32(beta**0.5) for beta in config.betas)
    step, number = float((last - first) / np.float32(config.times - 1)), np.arange(config.times)
    rising, falling = float(first) + step * number, float(last) - step * number[::-1]
    spread = np.where(number < config.times // 2, rising, falling).astype(np.float32)
    return np.cumprod((np.float32(1) - spread * spread).astype(np.float64)).astype(np.float32)
