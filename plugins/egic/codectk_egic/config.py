"""The configurations of the network.

`full` is the paper's. `base` is wider than `small` where a map is small, its changes of resolution have shortcuts, and
its first slices are coded over a checkerboard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple


class Layer(NamedTuple):
    """One basic layer: `depth` Swin blocks of width `dim`, then a change of resolution by two, if any."""

    dim: int
    depth: int
    window: int
    resample: bool = True


@dataclass(frozen=True)
class Config:
    """Widths and shapes of an EGIC network.

    Attributes:
        embed: pixels a side that the first layer gathers into one position.
        analysis: layers of g_a after the embedding; the last one's width is the number of latent channels M.
        hyper: channels of z at stride 64.
        hyper_analysis, hyper_synthesis: layers of h_a and h_s (the latter with float networks only).
        synthesis: layers of g_s but for the last.
        last: last layer of g_s, whose input output residual prediction reads; no resampling.
        unpack: pixels a side that the last layer makes of one position.
        unpack_kernel: positions a side that it makes them from.
        head_dim: width of an attention head.
        mlp_ratio: width of the hidden layer of a block's MLP, in widths of the block.
        slices: channels per slice of y.
        support: number of leading slices that later slices see.
        two_pass: number of leading slices that are coded in two passes over a checkerboard.
        own_view: slices see only their own channels of the hyper features.
        hyper_features: channels of the mean and scale features each.
        parameter_nets: hidden widths of the mean and scale networks, one pair a slice or one for all.
        linear: a lapped linear path beside the transforms, which then work on 4 (x - 1/2); measured to train many
            times faster.
        shortcuts: every change of resolution in the transforms has a parameter-free shortcut.
        exact: integer entropy path (portable files) and one model for all qualities, instead of the published
            method's float networks for one rate.
    """

    embed: int
    analysis: tuple[Layer, ...]
    hyper: int
    hyper_analysis: tuple[Layer, ...]
    hyper_synthesis: tuple[Layer, ...]
    synthesis: tuple[Layer, ...]
    last: Layer
    unpack: int
    unpack_kernel: int
    head_dim: int
    mlp_ratio: float
    slices: tuple[int, ...]
    support: int
    own_view: bool
    hyper_features: int
    parameter_nets: tuple[tuple[int, int], ...]
    linear: bool
    exact: bool
    shortcuts: bool = False
    two_pass: int = 0

    @property
    def latent(self) -> int:
        """Channels M of y at stride 16."""
        return self.analysis[-1].dim


SMALL = Config(
    embed=4,
    analysis=(Layer(48, 2, 8), Layer(96, 2, 8), Layer(160, 2, 4, False)),
    hyper=48,
    # Windows of two, and none at stride 64: a map that is padded to whole windows looks different in a training crop
    # than in a photo, and the hyper-encoder then says nothing that helps.
    hyper_analysis=(Layer(64, 2, 2), Layer(48, 0, 2, False)),
    hyper_synthesis=(),
    synthesis=(Layer(160, 2, 4), Layer(96, 4, 8), Layer(64, 3, 8, False)),
    last=Layer(64, 1, 8, False),
    unpack=4,
    unpack_kernel=3,
    head_dim=16,
    mlp_ratio=2.0,
    slices=(16, 16, 32, 48, 48),
    support=3,
    own_view=False,
    hyper_features=96,
    parameter_nets=((48, 48),),
    linear=True,
    exact=True,
)

BASE = replace(
    SMALL,
    analysis=(Layer(64, 2, 8), Layer(128, 2, 8), Layer(192, 4, 4, False)),
    synthesis=(Layer(192, 4, 4), Layer(128, 4, 8), Layer(64, 3, 8, False)),
    slices=(16, 16, 32, 64, 64),
    shortcuts=True,
    two_pass=3,
)

FULL = Config(
    embed=2,
    analysis=(Layer(128, 2, 8), Layer(192, 2, 8), Layer(256, 6, 8), Layer(320, 2, 8, False)),
    hyper=192,
    hyper_analysis=(Layer(192, 5, 4), Layer(192, 1, 4, False)),
    hyper_synthesis=(Layer(192, 1, 4), Layer(192, 5, 4)),
    synthesis=(Layer(320, 2, 8), Layer(256, 6, 8), Layer(192, 2, 8)),
    last=Layer(128, 2, 8, False),
    unpack=2,
    unpack_kernel=1,
    head_dim=32,
    mlp_ratio=4.0,
    slices=(32,) * 10,
    support=10,
    own_view=True,
    hyper_features=320,
    parameter_nets=(
        (64, 32),
        (64, 32),
        (85, 42),
        (106, 53),
        (128, 64),
        (149, 74),
        (170, 85),
        (192, 96),
        (213, 106),
        (234, 117),
    ),
    linear=False,
    exact=False,
)

CONFIGS = {"small": SMALL, "base": BASE, "full": FULL}
