"""The coding program, on arrays of any library: the core code, then the slices of y, each a layer of the file.

    core          factorized prior
    means, scales an integer network of the core code: it takes the place of a hyperprior
    slice i       mean and scale index from these and the slices before it

Everything is in integers. A file may end after any slice; the means predicted from what is there take the place of
the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from codectk.programs.slices import SliceNetworks, code_slices
from codectk.programs.values import ChannelPrior, ValueCoder, code_channels, everywhere, value_coder
from codectk.spec.stages import LatentSpec, SymbolCoder
from codectk_hsc.config import Config

CORE, FEATURE, LAYERS = "core", "y", "layers"
"""Names of the latents, and of the number of layers that the analysis asks for."""


class Networks(SliceNetworks, Protocol):
    """Every network of the program, a callable from arrays to an array.

    Attributes:
        exactly: a guard within which integer networks stay exact.
        core_prior: the core code to the features of means and scales, side by side.
        prior_core: a table per channel.
    """

    def exactly(self) -> AbstractContextManager[None]: ...

    core_prior: Any

    @property
    def prior_core(self) -> ChannelPrior: ...


def latent_specs(config: Config) -> tuple[LatentSpec, ...]:
    """Both latents, whose size does not depend on the picture's: core (1, core, 1, 1), y (1, latent, cut, cut)."""
    return LatentSpec(CORE, config.core, None, "factorized"), LatentSpec(FEATURE, config.latent, None)


def code(nets: Networks, coder: SymbolCoder | ValueCoder, values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Code both latents, or decode them when `values` is None.

    Args:
        nets: the networks, a torch module or graphs that were made from one.
        coder: any reading.
        values: what the analysis made.
    """
    prior, bound = nets.prior_core, nets.numbers.value_max
    coder = value_coder(coder, prior.medians)
    core, y, layers = (None, None, None) if values is None else (values[name] for name in (CORE, FEATURE, LAYERS))
    with nets.exactly():
        present = everywhere(prior.medians, 1 if core is None else core.shape[0], 1, 1)
        core = code_channels(coder, core, prior, present, bound)
        features = nets.core_prior(core)
        half = features.shape[1] // 2
        return {CORE: core, FEATURE: code_slices(nets, coder, y, features[:, :half], features[:, half:], layers)}
