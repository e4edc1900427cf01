"""The coding program, on arrays of any library: the core code, then the residual of the styles, slice by slice.

    core      factorized prior
    slice i   a gain for the whole slice, then values under normal distributions whose scales are a table by style slot
              and component, moved by the gain; each slice is a layer of the file

Everything is in integers. A file may end after any slice; what is not there is zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from array_api_compat import array_namespace, device

from codectk.programs.slices import VALUE_MAX
from codectk.programs.values import (
    SCALE_LEVELS,
    SCALE_MIN,
    SCALE_STEP,
    ChannelPrior,
    Prior,
    ValueCoder,
    code_channels,
    everywhere,
    value_coder,
)
from codectk.spec.stages import LatentSpec, SymbolCoder
from codectk_hsc.config import Config

CORE, RESIDUAL, LAYERS = "core", "residual", "layers"
"""Names of the latents, and of the number of layers that the analysis asks for."""

GAIN_BITS = 5
"""Of a slice's gain, in steps of the scale index, from -16 to 15."""

MEAN_OF_NORMAL = math.sqrt(2 / math.pi)
"""Mean magnitude of standard normal values."""


class Networks(Protocol):
    """What the program reads.

    Attributes:
        slices: components of each slice.
        scales: whole numbers (1, components, slots, 1), the index of each value's scale.
        prior_core: a table per channel.
        prior_residual: a table per scale index.
    """

    @property
    def slices(self) -> Sequence[int]: ...

    @property
    def scales(self) -> Any: ...

    @property
    def prior_core(self) -> ChannelPrior: ...

    @property
    def prior_residual(self) -> Prior: ...


def latent_specs(config: Config) -> tuple[LatentSpec, ...]:
    """Both latents, whose size does not depend on the picture's: core (1, core, 1, 1) and the residual
    (1, components, slots, 1)."""
    return LatentSpec(CORE, config.core, None, "factorized"), LatentSpec(RESIDUAL, config.components, None)


def code(nets: Networks, coder: SymbolCoder | ValueCoder, values: Mapping[str, Any] | None) -> dict[str, Any]:
    """Code both latents, or decode them when `values` is None.

    Args:
        nets: priors and the table of scales.
        coder: any reading.
        values: what the analysis made.
    """
    prior = nets.prior_core
    coder = value_coder(coder, prior.medians)
    core, residual, layers = (None, None, None) if values is None else (values[n] for n in (CORE, RESIDUAL, LAYERS))
    present = everywhere(prior.medians, 1 if core is None else core.shape[0], 1, 1)
    core = code_channels(coder, core, prior, present, VALUE_MAX)
    return {CORE: core, RESIDUAL: _code_residual(nets, coder, residual, core, layers)}


def _code_residual(nets: Networks, coder: ValueCoder, residual: Any | None, core: Any, layers: int | None) -> Any:
    xp = array_namespace(core)
    done: list[Any] = []
    sent, start = True, 0
    for i, width in enumerate(nets.slices):
        part = slice(start, start := start + width)
        scales = xp.broadcast_to(nets.scales[:, part], (core.shape[0], *nets.scales[:, part].shape[1:]))
        if sent:
            sent = coder.layer(None if layers is None else i < layers)
        if not sent:
            done.append(xp.zeros(scales.shape, dtype=xp.float32, device=device(core)))
            continue
        target = None if residual is None else residual[:, part]
        half = 1 << (GAIN_BITS - 1)
        gain = coder.raw(None if target is None else _gain(target, scales, half) + half, GAIN_BITS) - half
        index = xp.clip(scales + gain, 0, SCALE_LEVELS - 1)
        done.append(coder.code(index, target, nets.prior_residual, VALUE_MAX))
    return xp.concat(done, axis=1)


def _gain(values: Any, scales: Any, half: int) -> int:
    """By how many indices the values are larger than the table of scales says: only the encoder computes it."""
    xp = array_namespace(values)
    expected = MEAN_OF_NORMAL * float(xp.sum(SCALE_MIN * xp.exp(SCALE_STEP * scales)))
    found = float(xp.sum(xp.abs(xp.astype(xp.round(values), xp.int32))))
    return max(-half, min(half - 1, round(math.log(max(found, 1.0) / expected) / SCALE_STEP)))
