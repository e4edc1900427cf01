"""Channel-wise autoregressive coding of y, and the numbers its networks run in.

Slice i of y is coded with a mean and a scale predicted from hyperprior features and the slices before it (Minnen and
Singh 2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from array_api_compat import array_namespace, device

from codectk.programs.values import Prior, ValueCoder

VALUE_MAX = 255
"""Bound of factorized latents as integer networks see them."""
LATENT_BITS = 6
"""Fractional bits of means and of decoded latents among integers: a grid of 1/64."""
BITS = 6
"""Fractional bits of integer activations."""
REACH = 64
"""How large |y| may be for integer networks to see it in later slices; means reach twice as far."""


@dataclass(frozen=True)
class Numbers:
    """What the networks behind z compute with: integers, or real numbers.

    Attributes:
        exact: integers, so that files decode bit-exactly anywhere.
        latent_bits: fractional bits of means, of decoded latents, and of what refines them.
        bits: fractional bits of other activations.
        value_max: bound of factorized latents, or None.
    """

    exact: bool
    latent_bits: int
    bits: int
    value_max: int | None

    def hyper_input(self, y: Any) -> Any:
        """What a hyper-encoder sees of y: asinh(y) beside integers, so that large channels do not drown small ones."""
        return array_namespace(y).asinh(y) if self.exact else y

    def enter(self, z: Any, quality: Any) -> Any:
        """Input of the hyper-decoders: z, and among integers a plane that tells the quality (-16..16).

        Args:
            z: float32 (B, C, h, w).
            quality: a number, or an array (B,); networks of real numbers are for one rate and take none.
        """
        if not self.exact:
            return z
        xp = array_namespace(z)
        q = xp.reshape(xp.asarray(quality, dtype=xp.float64, device=device(z)), (-1, 1, 1, 1))
        plane = xp.astype(xp.round((q - 50) * 0.32), z.dtype)
        return xp.concat([z, xp.broadcast_to(plane, (z.shape[0], 1, *z.shape[2:]))], axis=1)

    def real(self, x: Any) -> Any:
        """Activations as real numbers, for float networks."""
        return x * 2.0**-self.bits


INTEGERS = Numbers(exact=True, latent_bits=LATENT_BITS, bits=BITS, value_max=VALUE_MAX)
REALS = Numbers(exact=False, latent_bits=0, bits=0, value_max=None)


class SliceNetworks(Protocol):
    """The networks of all slices, each a callable from arrays to an array.

    Attributes:
        numbers: what they compute with.
        slices: channels of each slice.
        support: number of leading slices that later slices see.
        own_view: a slice sees only its own channels of the features (then there are as many as channels of y).
        layered: each slice is a layer of the file; of slices that are not there the means are taken.
        two_pass: number of leading slices that are coded in two passes over a checkerboard (He et al. 2021,
            "Checkerboard Context Model for Efficient Learned Image Compression"): the first one's positions as any
            slice, then the others, with what their neighbors turned out to be as further input of all networks.
        context: a decoded slice as later networks see it.
        cc_mean_transforms: features and earlier slices to means, by slice.
        cc_scale_transforms: the same to scale indices.
        lrp_transforms: means' input and the decoded slice to its refinement (latent residual prediction), by slice;
            empty for none.
        neighbors: of a slice in two passes, what the first one says of the means of the second beside its networks.
        prior_y: one table per scale index.
    """

    numbers: Numbers

    @property
    def slices(self) -> Sequence[int]: ...

    support: int
    own_view: bool
    layered: bool
    two_pass: int
    context: Any
    cc_mean_transforms: Any
    cc_scale_transforms: Any
    lrp_transforms: Any
    neighbors: Any

    @property
    def prior_y(self) -> Prior: ...


def code_slices(
    nets: SliceNetworks, coder: ValueCoder, y: Any | None, means: Any, scales: Any, layers: int | None = None
) -> Any:
    """Code y (B, M, h, w), or decode it when None.

    Args:
        nets: the networks.
        coder: see `ValueCoder`.
        y: what the analysis made.
        means, scales: hyperprior features (B, hyper_features, h, w).
        layers: with `layered`, how many slices to send.

    Returns:
        y as both ends know it.
    """
    xp, bits = array_namespace(means), nets.numbers.latent_bits
    done: list[Any] = []
    leading: list[Any] = []
    sent, start = True, 0
    for i, width in enumerate(nets.slices):
        part = slice(start, start := start + width)
        seen = part if nets.own_view else slice(None)
        if nets.layered and sent:
            sent = coder.layer(None if layers is None else i < layers)
        mean_input = xp.concat([means[:, seen], *leading], axis=1)
        scale_input = xp.concat([scales[:, seen], *leading], axis=1)
        target = None if y is None else y[:, part]
        if i < nets.two_pass:
            known, mean_input = _code_in_two_passes(nets, i, coder, target, mean_input, scale_input)
        else:
            mean, index = nets.cc_mean_transforms[i](mean_input), nets.cc_scale_transforms[i](scale_input)
            residual = None if target is None else target - mean * 2.0**-bits
            symbols = coder.code(index, residual, nets.prior_y) if sent else xp.zeros_like(mean)
            known = symbols * 2.0**bits + mean
        if len(nets.lrp_transforms):
            known = known + nets.lrp_transforms[i](xp.concat([mean_input, nets.context(known)], axis=1))
        done.append(known * 2.0**-bits)
        if i < nets.support:
            leading.append(nets.context(known))
    return xp.concat(done, axis=1)


def _code_in_two_passes(
    nets: SliceNetworks, i: int, coder: ValueCoder, target: Any | None, mean_input: Any, scale_input: Any
) -> tuple[Any, Any]:
    """Slice `i` before its refinement, and the input of its means in the second pass."""
    xp, bits = array_namespace(mean_input), nets.numbers.latent_bits
    batch, _, height, width = mean_input.shape
    first = (np.add.outer(np.arange(height), np.arange(width)) % 2 == 0).ravel()
    passes, back = [np.flatnonzero(first), np.flatnonzero(~first)], np.argsort(np.argsort(~first, kind="stable"))

    def at(x: Any, places: np.ndarray) -> Any:
        return xp.take(xp.reshape(x, (batch, -1, height * width)), xp.asarray(places, device=device(x)), axis=2)

    def whole(parts: list[Any]) -> Any:
        both = xp.concat(parts, axis=2)
        return xp.reshape(xp.take(both, xp.asarray(back, device=device(both)), axis=2), (batch, -1, height, width))

    nothing = xp.zeros((batch, nets.slices[i], height, width), dtype=mean_input.dtype, device=device(mean_input))
    known = [at(nothing, places) for places in passes]
    seen, predicted = nothing, nothing
    for number, places in enumerate(passes):
        if number:
            seen, predicted = nets.context(whole(known)), nets.neighbors[i](whole(known))
        mean = nets.cc_mean_transforms[i](xp.concat([mean_input, seen], axis=1)) + predicted
        index = nets.cc_scale_transforms[i](xp.concat([scale_input, seen], axis=1))
        residual = None if target is None else at(target - mean * 2.0**-bits, places)
        symbols = coder.at(places, height, width).code(at(index, places), residual, nets.prior_y)
        known[number] = symbols * 2.0**bits + at(mean, places)
    return whole(known), xp.concat([mean_input, seen], axis=1)
