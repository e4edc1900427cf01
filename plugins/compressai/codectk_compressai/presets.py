"""The image codecs of CompressAI's zoo by codec name. Imports nothing of CompressAI; a test compares with its zoo.

compressai.mbt2018-mean-q4            trained on the mean squared error
compressai.mbt2018-mean-ms-ssim-q4    trained on MS-SSIM
compressai.mbt2018-mean-vbr           one model for all qualities
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

PREFIX = "compressai."
METRICS = ("mse", "ms-ssim")


@dataclass(frozen=True)
class Architecture:
    """A family of codecs.

    Attributes:
        title: for people.
        qualities: the highest quality; there is one codec for each from 1 on. 0 for a variable-rate model.
        stride: pixels per position of the deepest latent.
        published: CompressAI has checkpoints of it.
    """

    title: str
    qualities: int
    stride: int = 64
    published: bool = True


ARCHITECTURES: Mapping[str, Architecture] = {
    "bmshj2018-factorized": Architecture("Ballé 2018, factorized prior", 8, stride=16),
    "bmshj2018-factorized-relu": Architecture("Ballé 2018, factorized prior with ReLU", 8, stride=16, published=False),
    "bmshj2018-hyperprior": Architecture("Ballé 2018, scale hyperprior", 8),
    "mbt2018-mean": Architecture("Minnen 2018, mean and scale hyperprior", 8),
    "mbt2018": Architecture("Minnen 2018, serial context and hyperprior (slow)", 8),
    "cheng2020-anchor": Architecture("Cheng 2020 without attention, serial context (slow)", 6),
    "cheng2020-attn": Architecture("Cheng 2020 with attention, serial context (slow)", 6),
    "bmshj2018-hyperprior-vbr": Architecture("Kamisli 2024, scale hyperprior, variable rate", 0),
    "mbt2018-mean-vbr": Architecture("Kamisli 2024, mean and scale hyperprior, variable rate", 0),
    "mbt2018-vbr": Architecture("Kamisli 2024, serial context and hyperprior, variable rate (slow)", 0),
}


@dataclass(frozen=True)
class Preset:
    """One codec.

    Attributes:
        architecture: as CompressAI calls it.
        metric: what it was trained on, "mse" or "ms-ssim".
        quality: 1 (smallest files) and up, or None where it is a knob.
    """

    architecture: str
    metric: str
    quality: int | None

    @property
    def name(self) -> str:
        """The codec's name."""
        metric = "" if self.metric == "mse" else f"-{self.metric}"
        quality = "" if self.quality is None else f"-q{self.quality}"
        return f"{PREFIX}{self.architecture}{metric}{quality}"

    @property
    def stride(self) -> int:
        """Pixels per position of the deepest latent."""
        return ARCHITECTURES[self.architecture].stride

    @property
    def published(self) -> bool:
        """CompressAI has a checkpoint."""
        return ARCHITECTURES[self.architecture].published

    @property
    def summary(self) -> str:
        """One line for people."""
        known = ARCHITECTURES[self.architecture]
        metric = {"mse": "MSE", "ms-ssim": "MS-SSIM"}[self.metric]
        return f"{known.title}; {metric}" + (f", quality {self.quality} of {known.qualities}" if self.quality else "")


def _presets() -> Iterator[Preset]:
    for architecture, known in ARCHITECTURES.items():
        if not known.qualities:
            yield Preset(architecture, "mse", None)
            continue
        for metric in METRICS:
            yield from (Preset(architecture, metric, quality) for quality in range(1, known.qualities + 1))


PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in _presets()}
"""All codecs by name."""
