"""The configuration of the heads around the generator; only `small` is trained here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Widths and shapes.

    Attributes:
        generator: sha256 of the generator's file; heads are of no use with another one.
        cut: side of the feature at which the generator is cut, in pixels.
        channels: channels of that feature.
        slots: number of style codes.
        dim: length of one.
        side: side of the picture that the inversion encoder sees.
        components: principal components of W in which style codes are given.
        widths: of the inversion encoder's own features at 1/4, 1/8 and 1/16 of that side.
        trunk, depth: channels and residual blocks at 1/16, where own and ImageNet features meet.
        regression_rank: rank of the linear map to style codes.
        pooled, hidden: channels at 1/32 and hidden units in front of the style codes.
        core: values of the core code.
        core_hidden: hidden units beside the core code's linear maps.
        feature_hidden: channels of the feature coder's convolutions.
        slices: channels of each slice of y, coarse to fine; each is a layer of the file.
        prior: channels of the core code's map in front of the slices.
        parameter_nets: hidden widths of the mean and scale networks.
    """

    generator: str
    cut: int
    channels: int
    slots: int
    dim: int
    side: int
    components: int
    widths: tuple[int, int, int]
    trunk: int
    depth: int
    regression_rank: int
    pooled: int
    hidden: int
    core: int
    core_hidden: int
    feature_hidden: int
    slices: tuple[int, ...]
    prior: int
    parameter_nets: tuple[int, int]

    @property
    def latent(self) -> int:
        """Channels of y."""
        return sum(self.slices)


SMALL = Config(
    generator="15d82ccc24cb8addaba10ce3ad63ce69ed7e7e79fabfdaf9ec23a050b452f797",
    cut=16,
    channels=512,
    slots=16,
    dim=512,
    side=256,
    components=128,
    widths=(48, 96, 160),
    trunk=192,
    depth=2,
    regression_rank=256,
    pooled=128,
    hidden=512,
    core=160,
    core_hidden=192,
    feature_hidden=128,
    slices=(8, 8, 16, 16, 24, 24, 32, 32),
    prior=48,
    parameter_nets=(40, 40),
)

CONFIGS = {"small": SMALL}
