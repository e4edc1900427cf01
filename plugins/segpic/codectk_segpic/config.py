"""The configurations of the network.

`full` is the paper's. `base` reaches further than `small`: more channels for the highest qualities, large means for
white paper, a checkerboard within the first slices.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from codectk.programs.slices import REACH

PARTS = ("rat", "prototypes", "sal", "lrp", "masks")
"""Parts that an ablation can leave out: RATs, decoded prototypes (zeros instead), SALs, LRP, masks in training."""
LEAVABLE = (*PARTS, "regions")
"""A hybrid can also do without all that has to do with regions (RATs, prototypes, masks): an ordinary codec of y."""


@dataclass(frozen=True)
class Config:
    """Widths and shapes of a SegPIC network.

    Attributes:
        stem: space-to-depth factor in front of the first convolution (1: none).
        mid: channels of the stages up to the middle features y' (the last one is theirs).
        latent: channels M of y at stride 16.
        nonlinear: how many of them the networks of the transforms make and see; the others, of the highest
            frequencies, belong to the linear path alone. 0: all.
        hyper: channels of z at stride 64.
        kernels: kernel sizes of the four (or, with a stem, three) downsampling convolutions.
        wam_units: residual units per branch of the attention modules at y' and at y.
        heads: attention heads.
        tail: channels of the last synthesis stage.
        code_mid, code_deep: widths of the prototype autoencoders' encoders; the last is the code.
        decode: hidden widths of their decoders.
        prototype_share: part of the prototypes' bits that a training crop pays (see `Prior.crop_share`).
        rat_mid, rat_deep: middle width of the region-adaptive transforms at y' and at y.
        slices: channels per slice of y.
        support: number of leading slices that later slices see.
        two_pass: number of leading slices that are coded in two passes over a checkerboard.
        reach: how large |y| may be for the integer networks to see it.
        gains: initial gains of y at equally spaced qualities from 0 to 100: one over the quantization steps that suit
            an orthonormal transform there.
        hyper_features: channels of the hyper-decoders' output.
        parameter_nets: hidden widths of the mean, scale and LRP networks.
        linear: the networks work on 4 (x - 1/2) with a lapped linear path beside them; measured to train many times
            faster.
        shortcuts: every change of resolution behind the stem has a parameter-free shortcut.
        exact: integer entropy path (portable files) and one model for all qualities, instead of the published
            method's float networks for one rate.
        without: parts left out, for an ablation or a hybrid, of `LEAVABLE`.
        labels: regions are the labels of a map with so many, which the file carries; 0: a grid, or masks in training.
        own_view: slices see only their own channels of the hyper features (then there are as many as channels of y).
    """

    stem: int
    mid: tuple[int, ...]
    latent: int
    hyper: int
    kernels: tuple[int, ...]
    wam_units: tuple[int, int]
    heads: int
    tail: int
    code_mid: tuple[int, ...]
    code_deep: tuple[int, ...]
    decode: tuple[int, int]
    prototype_share: float
    rat_mid: int
    rat_deep: int
    slices: tuple[int, ...]
    support: int
    hyper_features: int
    parameter_nets: tuple[int, ...]
    linear: bool
    shortcuts: bool
    exact: bool
    without: tuple[str, ...] = ()
    labels: int = 0
    own_view: bool = False
    nonlinear: int = 0
    two_pass: int = 0
    reach: int = REACH
    gains: tuple[float, ...] = (1.0, 6.0)

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.without) - set(LEAVABLE)):
            raise TypeError(f"there is no part '{unknown[0]}' to leave out; parts are {', '.join(LEAVABLE)}")
        if self.nonlinear > self.latent or (self.nonlinear and not self.linear):
            raise TypeError("nonlinear counts channels of the latent, where there is a linear path for the others")

    @property
    def deep(self) -> int:
        """Channels of y that the networks of the transforms make and see."""
        return self.nonlinear or self.latent

    def has(self, part: str) -> bool:
        """Whether a part that can be left out is there."""
        of_regions = part in ("rat", "prototypes", "masks") and "regions" in self.without
        return part not in self.without and not of_regions


SMALL = Config(
    stem=4,
    mid=(64, 128),
    latent=224,
    hyper=48,
    kernels=(3, 5, 3),
    wam_units=(2, 1),
    heads=4,
    tail=24,
    code_mid=(48, 32, 16),
    code_deep=(64, 32, 16),
    decode=(32, 64),
    prototype_share=1 / 16,
    rat_mid=32,
    rat_deep=48,
    slices=(16, 16, 32, 64, 96),
    support=3,
    hyper_features=96,
    parameter_nets=(48, 48),
    linear=True,
    shortcuts=True,
    exact=True,
)

BASE = replace(
    SMALL,
    latent=352,
    nonlinear=224,
    slices=(16, 16, 32, 64, 96, 128),
    two_pass=3,
    reach=512,
    gains=(0.3, 0.5, 0.8, 1.3, 2.1, 7.0),
)

FULL = Config(
    stem=1,
    mid=(192, 192),
    latent=320,
    hyper=192,
    kernels=(5, 5, 5, 5),
    wam_units=(3, 3),
    heads=8,
    tail=32,
    code_mid=(128, 96, 96),
    code_deep=(192, 128, 96),
    decode=(128, 192),
    prototype_share=1.0,
    rat_mid=192,
    rat_deep=320,
    slices=(32,) * 10,
    support=5,
    hyper_features=320,
    parameter_nets=(224, 176, 128, 64),
    linear=False,
    shortcuts=False,
    exact=False,
)

CONFIGS = {"small": SMALL, "base": BASE, "full": FULL}
