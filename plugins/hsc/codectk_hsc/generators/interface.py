"""What the codec asks of a generator.

Style codes are float32 tensors (B, slots, dim), one code per slot of the network's layers (W+); (B, dim) means one
code for all slots (W). A network is cut at a resolution r: its feature there is the output of the last convolution at
r x r pixels, and `slots_before(r)` slots act up to it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

from codectk.base.errors import UsageError

NARROW = 4
"""Resolution of the learned constant that every generator starts from."""


class Generator(Protocol):
    """A frozen generator of square RGB pictures; in practice a torch module in evaluation mode.

    All methods are deterministic (noise is stored) and differentiable with respect to styles and features.

    Attributes:
        kind: name of the architecture.
        slots: number of style codes.
        dim: length of one.
        size: side of its pictures in pixels.
        channels: channels of the feature at each resolution at which it can be cut.
    """

    kind: str
    slots: int
    dim: int
    size: int
    channels: dict[int, int]

    @property
    def mean(self) -> Tensor:
        """The mean style codes, float32 (slots, dim)."""

    def styles(self, z: Tensor) -> Tensor:
        """The mapping network, without truncation.

        Args:
            z: float32 (B, dim), standard normal.

        Returns:
            w, float32 (B, dim).
        """

    def low(self, styles: Tensor, cut: int = 16) -> Tensor:
        """Run to the cut.

        Args:
            styles: (B, slots, dim) or (B, dim); only the first `slots_before(cut)` slots are used.
            cut: a resolution in `channels`.

        Returns:
            The feature, float32 (B, channels[cut], cut, cut).

        Raises:
            UsageError: it cannot be cut there, or the styles have another shape.
        """

    def onward(self, feature: Tensor, styles: Tensor, cut: int) -> Tensor:
        """Run from one cut to a later one; the features there make cheap losses.

        Args:
            feature: float32 (B, channels[r], r, r).
            styles: as for `low`.
            cut: a resolution in `channels`, not below r.

        Returns:
            The feature, float32 (B, channels[cut], cut, cut).

        Raises:
            UsageError: no such cut, or a tensor has another shape.
        """

    def high(self, feature: Tensor, styles: Tensor, size: int | None = None) -> Tensor:
        """Run from the cut to the picture.

        Args:
            feature: float32 (B, channels[cut], cut, cut); its side says which cut.
            styles: as for `low`, with all slots.
            size: side of the wanted picture, see `reduced`; None for the full one.

        Returns:
            RGB, float32 (B, 3, size, size), nominally in [0, 1] with overshoots.

        Raises:
            UsageError: no such cut or size, or a tensor has another shape.
        """

    def picture(self, styles: Tensor, size: int | None = None) -> Tensor:
        """The picture of style codes: `high(low(styles), styles, size)`, from any cut."""


def slots_before(cut: int) -> int:
    """Number of leading style slots that act up to a cut: one at 4 pixels, two more per doubling."""
    return 2 * (cut.bit_length() - 1) - 3


def wide(styles: Tensor, slots: int, dim: int) -> Tensor:
    """Style codes with all slots.

    Args:
        styles: (B, slots, dim), or (B, dim) for the same code in every slot.
        slots, dim: what the generator has.

    Returns:
        (B, slots, dim).

    Raises:
        UsageError: another shape.
    """
    if styles.ndim == 2:
        styles = styles.unsqueeze(1).expand(-1, slots, -1)
    if styles.ndim != 3 or styles.shape[1:] != (slots, dim):
        raise UsageError(f"Style codes have shape {tuple(styles.shape)}; this generator takes (B, {slots}, {dim}).")
    return styles


def check_cut(channels: Mapping[int, int], cut: int) -> None:
    """Refuse a cut that a generator does not have.

    Raises:
        UsageError: as said.
    """
    if cut not in channels:
        listed = ", ".join(map(str, channels))
        raise UsageError(f"This generator cannot be cut at {cut} pixels; its features have {listed}.")


def check_feature(channels: Mapping[int, int], feature: Tensor) -> int:
    """Refuse a tensor that is no feature at any cut.

    Returns:
        The cut.

    Raises:
        UsageError: as said.
    """
    shape, cut = tuple(feature.shape), feature.shape[-1]
    check_cut(channels, cut)
    if shape[1:] != (channels[cut], cut, cut):
        raise UsageError(f"A feature has shape {shape}; at {cut} pixels it is (B, {channels[cut]}, {cut}, {cut}).")
    return cut


def check_onward(channels: Mapping[int, int], feature: Tensor, cut: int) -> None:
    """Refuse a way that does not lead from a feature to a later cut.

    Raises:
        UsageError: as said.
    """
    check_cut(channels, cut)
    if check_feature(channels, feature) > cut:
        raise UsageError(f"A feature of {feature.shape[-1]} pixels lies behind the cut at {cut}.")


def reduced(picture: Tensor, size: int | None) -> Tensor:
    """A picture at a smaller size, by area averaging.

    The networks' own inner pictures, where they have any, are no substitute: later layers still change colors.

    Args:
        picture: (B, 3, n, n).
        size: n divided by a power of two; None for n.

    Raises:
        UsageError: not such a size.
    """
    side = picture.shape[-1]
    if size is None or size == side:
        return picture
    factor = side // max(size, 1)
    if size < 1 or factor & (factor - 1) or factor * size != side:
        raise UsageError(f"A picture of {side} pixels cannot be reduced to {size}; take {side // 2}, {side // 4}, ...")
    return F.avg_pool2d(picture, factor)
