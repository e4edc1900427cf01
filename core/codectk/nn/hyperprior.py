"""A torch author's codec: two transforms of your own around an entropy model in integers.

class Network(TransformCodec):
    def __init__(self):
        super().__init__("mine", latent=96)
        self.g_a, self.g_s = ..., ...        # any modules: RGB in [-1, 1] to y at 1/16 of the size, and back
        self.entropy_model = Hyperprior(96)  # files decode to the same latents on every machine
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import torch
from array_api_compat import array_namespace
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.backend import TorchBackend
from codectk.nn.charm import ChannelSlices, IntegerNetworks
from codectk.nn.exact import exact_math
from codectk.nn.gain import Gain
from codectk.nn.priors import FactorizedPrior
from codectk.programs.slices import code_slices
from codectk.programs.values import code_channels, everywhere, value_coder
from codectk.spec.stages import LatentSpec, Stages, SymbolCoder

LATENT_STRIDE, STRIDE = 16, 64
"""Pixels per position of y, and of z: what pictures are padded to."""

LOW_GAIN, HIGH_GAIN = 8.0, 128.0
"""Initial gains at qualities 0 and 100: fresh transforms make y small, and a y that rounds to zero never learns."""

Z_START = 8.0
"""z starts at several units: codes that all round to zero say nothing and never learn to speak."""


class Hyperprior(ChannelSlices):
    """Codes y with means and scales predicted from z, and from earlier slices of y. All networks behind z are integers.

    Mean-scale hyperprior (Minnen et al. 2018); with several slices, channel-wise context (Minnen and Singh 2020).

    Args:
        latent: channels of y.
        hyper: channels of z.
        slices: parts of y that are coded one after another.
        features: channels that the hyper-decoder gives to means and to scales.
        parameter_nets: hidden widths of the networks that make means and scales of these.

    Latents: `y` float32 (B, latent, H/16, W/16).
    """

    portable = True

    def __init__(
        self,
        latent: int,
        hyper: int = 48,
        slices: int = 1,
        features: int = 96,
        parameter_nets: tuple[int, ...] = (96, 64),
    ):
        networks = IntegerNetworks(parameter_nets)
        widths = [latent * (i + 1) // slices - latent * i // slices for i in range(slices)]
        super().__init__(networks, widths, slices, features)
        self.needs = self.gives = (LatentSpec("y", latent, LATENT_STRIDE),)
        self.h_a = nn.Sequential(  # runs at the encoder only, so it may be float
            nn.Conv2d(latent, 96, 3, padding=1), nn.GELU(),
            nn.Conv2d(96, 96, 3, 2, 1), nn.GELU(),
            nn.Conv2d(96, hyper, 3, 2, 1),
        )  # fmt: skip
        self.h_means = networks.latent_decoder(hyper, features)
        self.h_scales = networks.latent_decoder(hyper, features)
        self.prior_z = FactorizedPrior("z", hyper)

    def exactly(self) -> AbstractContextManager[None]:
        """A guard within which integers stay exact."""
        return exact_math(self.prior_z.medians.device)

    def code(self, coder: SymbolCoder, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        numbers, prior = self.numbers, self.prior_z
        reader = value_coder(coder, prior.medians)
        y = z = None
        if values is not None:
            y = values["y"]
            z = array_namespace(y).astype(self.h_a(numbers.hyper_input(y)), y.dtype) * Z_START
        with self.exactly():
            shape = (1 if y is None else y.shape[0], ctx.height // STRIDE, ctx.width // STRIDE)
            known = code_channels(reader, z, prior, everywhere(prior.medians, *shape), numbers.value_max)
            hyper = numbers.enter(known, ctx.knobs["quality"])
            return {"y": code_slices(self, reader, y, self.h_means(hyper), self.h_scales(hyper))}


class TransformCodec(nn.Module):
    """A codec of one model for all qualities: y = g_a(2 x - 1) * gain(quality), and back.

    A subclass makes `g_a`, `g_s` and `entropy_model`; the hook `codectk_network` returns it. The card
    needs the knob `quality`, from 0 to 100, coded.

    Args:
        name: of the codec.
        latent: channels of y.

    Attributes:
        g_a: float RGB (B, 3, H, W) in [-1, 1], H and W multiples of 64 -> float (B, latent, H/16, W/16).
        g_s: the way back.
        entropy_model: codes y, such as a `Hyperprior`.
    """

    g_a: nn.Module
    g_s: nn.Module
    entropy_model: Any

    def __init__(self, name: str, latent: int):
        super().__init__()
        self.name = name
        self.latents: tuple[LatentSpec, ...] = (LatentSpec("y", latent, LATENT_STRIDE),)
        self.gain = Gain(latent, LOW_GAIN, HIGH_GAIN)
        self.inverse_gain = Gain(latent, 1 / LOW_GAIN, 1 / HIGH_GAIN)

    def codec(self, weights_hash: str = "", device: str | torch.device = "cpu") -> Stages:
        """The stages wired together, sharing this network's weights."""
        return Stages(
            id=self.name,
            stride=STRIDE,
            weights_hash=weights_hash,
            portable=self.entropy_model.portable,
            analysis=_Analysis(self),
            entropy_model=self.entropy_model,
            synthesis=_Synthesis(self),
            backend=TorchBackend(device),
        )


class _Analysis:
    """g_a, whose costly part no quality changes."""

    def __init__(self, network: TransformCodec):
        self.network, self.produces = network, network.latents

    def __call__(self, x: Tensor, condition: None, ctx: Context) -> Mapping[str, Tensor]:
        return self.finish(self.prepare(x, condition, ctx), ctx)

    def prepare(self, x: Tensor, condition: None, ctx: Context) -> Tensor:
        y: Tensor = self.network.g_a(2 * x - 1)
        return y.float()

    def finish(self, prepared: Tensor, ctx: Context) -> Mapping[str, Tensor]:
        return {"y": prepared * self.network.gain(ctx.knobs["quality"])}


class _Synthesis:
    """g_s."""

    def __init__(self, network: TransformCodec):
        self.network, self.needs = network, network.latents

    def __call__(self, latents: Mapping[str, Tensor], ctx: Context) -> Tensor:
        x: Tensor = self.network.g_s(latents["y"] * self.network.inverse_gain(ctx.knobs["quality"]))
        return (x.float() + 1) / 2
