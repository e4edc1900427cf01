"""The configuration of the heads around the generator; only `small` is trained here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Config:
    """Widths and shapes.

    Attributes:
        generator: sha256 of the generator's file; heads are of no use with another one.
        cut: side of the feature from which the inversion encoder tells style codes, in pixels.
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
        slices: components of each slice of the residual, coarse to fine; each is a layer of the file.
        step: what one step of the residual is worth in a style code's coordinates.
    """

    generator: str
    cut: int
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
    slices: tuple[int, ...]
    step: float


SMALL = Config(
    generator="15d82ccc24cb8addaba10ce3ad63ce69ed7e7e79fabfdaf9ec23a050b452f797",
    cut=16,
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
    slices=(8, 8, 12, 12, 16, 20, 24, 28),
    step=0.35,
)

CONFIGS = {"small": SMALL}
