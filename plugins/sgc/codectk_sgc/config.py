"""Widths and constants of SGC's networks."""

from __future__ import annotations

from dataclasses import dataclass

from codectk.base.errors import UsageError

SEGMENTERS = ("aspp", "deeplab_v2")


@dataclass(frozen=True)
class Config:
    """One configuration.

    Attributes:
        classes: number of labels.
        patch: pixels per side that the autoencoder takes as channels of one position.
        vq_widths: channels of its scales, each half as fine as the one before.
        vq_layers: residual blocks per scale of its encoder; its decoder has one more.
        vq_groups: groups of channels that its norms take together.
        latents: channels of its latents.
        codes: entries of its codebook.
        attention: attention at the coarsest scale of both networks, over the whole picture.
        widths: channels of the denoiser's scales.
        layers: residual blocks per scale of its encoding half.
        groups: as `vq_groups`, for the denoiser.
        planes: channels that the labels are brought to.
        sees_colors: the denoiser sees the color map at every step, and not only where it starts.
        predicts: what the denoiser says: "epsilon", or "v_prediction" (Salimans and Ho 2022).
        betas: first and last variance of the noise; their roots are spaced evenly over `times` steps.
        times: steps of the noising process.
        segmenter: of `SEGMENTERS`: a head on an installed backbone, or the published DeepLab v2.
        seg_width: channels of DeepLab v2's first convolution.
        seg_blocks: residual blocks of its stages.
    """

    classes: int
    patch: int
    vq_widths: tuple[int, ...]
    vq_layers: int
    vq_groups: int
    latents: int
    codes: int
    attention: bool
    widths: tuple[int, ...]
    layers: int
    groups: int
    planes: int
    sees_colors: bool
    predicts: str
    betas: tuple[float, float] = (0.0015, 0.0205)
    times: int = 1000
    segmenter: str = "aspp"
    seg_width: int = 64
    seg_blocks: tuple[int, ...] = (3, 4, 23, 3)

    def __post_init__(self) -> None:
        if self.segmenter not in SEGMENTERS:
            raise UsageError(f"SGC has no segmenter '{self.segmenter}'; it has {', '.join(SEGMENTERS)}.")
        if 16 % self.stride:
            raise UsageError(f"SGC's latents must be at a stride that divides 16, not {self.stride}.")

    @property
    def stride(self) -> int:
        """Pixels per position of the latents."""
        return self.patch << (len(self.vq_widths) - 1)


CONFIGS = {
    "small": Config(
        classes=13,
        patch=2,
        vq_widths=(32, 96, 96),
        vq_layers=1,
        vq_groups=16,
        latents=4,
        codes=8192,
        attention=False,
        widths=(64, 128, 160),
        layers=1,
        groups=16,
        planes=8,
        sees_colors=True,
        predicts="v_prediction",
    ),
    # Semantic synthesis of latent diffusion (Rombach et al. 2022): VQ-f4, and a UNet of 215 million parameters.
    # Its labels were those of DeepLab v2 (Chen et al. 2018) for COCO-Stuff.
    "full": Config(
        classes=182,
        patch=1,
        vq_widths=(128, 256, 512),
        vq_layers=2,
        vq_groups=32,
        latents=3,
        codes=8192,
        attention=True,
        widths=(128, 512, 1024),
        layers=2,
        groups=32,
        planes=3,
        sees_colors=False,
        predicts="epsilon",
        segmenter="deeplab_v2",
    ),
}
