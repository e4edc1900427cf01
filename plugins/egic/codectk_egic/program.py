"""The coding program, on arrays of any library: hyperprior and slices (ChARM, without latent residual prediction).

z                 factorized prior; z = h_a(y)
means, scales     h_s(z)
slice i           mean and scale index from the features and the slices before it
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from array_api_compat import array_namespace

from codectk.base.types import Context
from codectk.programs.slices import SliceNetworks, code_slices
from codectk.programs.values import ChannelPrior, ValueCoder, code_channels, everywhere, value_coder
from codectk.spec.stages import LatentSpec, SymbolCoder
from codectk_egic.config import Config

Z_START = 8.0
"""z of integer networks starts at several units: codes that all round to zero say nothing and never learn to speak."""


class Networks(SliceNetworks, Protocol):
    """Every network of the program, a callable from arrays to an array.

    Attributes:
        exactly: a guard within which integer networks stay exact.
        h_a: y as the hyper-encoder sees it to z in units of `z_start`.
        h_s: z to the features of means and scales, side by side.
        z_start: what h_a's output is multiplied by.
        prior_z: a table per channel.
    """

    def exactly(self) -> AbstractContextManager[None]: ...

    h_a: Any
    h_s: Any
    z_start: float

    @property
    def prior_z(self) -> ChannelPrior: ...


def latent_specs(config: Config) -> tuple[LatentSpec, ...]:
    """What analysis, entropy model and synthesis agree on."""
    return (LatentSpec("y", config.latent, 16),)


def code(
    nets: Networks, coder: SymbolCoder | ValueCoder, values: Mapping[str, Any] | None, ctx: Context
) -> dict[str, Any]:
    """Code `y` float32 (B, M, h, w), or decode it when `values` is None.

    Args:
        nets: the networks, a torch module or graphs that were made from one.
        coder: any reading.
        values: what the analysis made.
        ctx: size and knobs.
    """
    numbers, prior = nets.numbers, nets.prior_z
    coder = value_coder(coder, prior.medians, rounds=not numbers.exact)
    y = z = None
    if values is not None:
        y = values["y"]
        xp = array_namespace(y)
        z = xp.astype(nets.h_a(numbers.hyper_input(y)), xp.float32) * nets.z_start
    with nets.exactly():
        present = everywhere(prior.medians, 1 if y is None else y.shape[0], ctx.height // 64, ctx.width // 64)
        hyper = numbers.enter(code_channels(coder, z, prior, present, numbers.value_max), ctx.knobs.get("quality"))
        features = nets.h_s(hyper)
        half = features.shape[1] // 2
        return {"y": code_slices(nets, coder, y, features[:, :half], features[:, half:])}
