"""The coordinates in which styles and features are handled: principal components of W, and the feature's statistics.

W is strongly compressible, and the generator lacks StyleGAN2's demodulation, so codes far from it break the picture;
both speak for coordinates in which W is a ball. They are computed from the generator and stored with the heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from codectk_hsc.config import Config
from codectk_hsc.generators.interface import Generator

SEED, CODES, FEATURES, BLOCK = 1, 1 << 15, 512, 32
TRUNCATION = 0.8
"""Of the features' statistics: about the mean of the faces in training."""


class Basis(nn.Module):
    """Whitened coordinates and back.

    Attributes:
        mean (dim,): the mean style.
        components (components, dim): unit rows, by falling variance.
        deviation (components,): standard deviation along each.
        template (channels, cut, cut): the mean feature.
        spread (channels, 1, 1): standard deviation of its channels about the template.
    """

    mean: Tensor
    components: Tensor
    deviation: Tensor
    template: Tensor
    spread: Tensor

    def __init__(self, config: Config):
        super().__init__()
        c = config
        self.register_buffer("mean", torch.zeros(c.dim))
        self.register_buffer("components", torch.eye(c.components, c.dim))
        self.register_buffer("deviation", torch.ones(c.components))
        self.register_buffer("template", torch.zeros(c.channels, c.cut, c.cut))
        self.register_buffer("spread", torch.ones(c.channels, 1, 1))

    @torch.no_grad()
    def measure(self, generator: Generator) -> None:
        """Compute everything from a generator."""
        rng = torch.Generator().manual_seed(SEED)
        z = torch.randn(CODES, generator.dim, generator=rng)
        w = generator.styles(z.to(generator.mean.device))
        self.mean.copy_(generator.mean[0])
        centered = (w - self.mean).double()
        variance, vectors = torch.linalg.eigh(centered.T @ centered / len(w))
        order = variance.argsort(descending=True)[: len(self.deviation)]
        self.components.copy_(vectors[:, order].T)
        self.deviation.copy_(variance[order].sqrt())
        cut = self.template.shape[-1]
        mean, square = (torch.zeros_like(self.template, dtype=torch.float64) for _ in range(2))
        for part in (self.mean + TRUNCATION * (w[:FEATURES] - self.mean)).split(BLOCK):
            feature = generator.low(part, cut).double()
            mean += feature.sum(0) / FEATURES
            square = square + feature.square().sum(0) / FEATURES
        self.template.copy_(mean)
        self.spread.copy_((square - mean.square()).mean((1, 2), keepdim=True).sqrt())

    def coordinates(self, styles: Tensor) -> Tensor:
        """(B, slots, dim) -> (B, slots, components), of about unit variance for codes that were drawn."""
        return (styles - self.mean) @ self.components.T / self.deviation

    def styles(self, coordinates: Tensor) -> Tensor:
        """The inverse, within the span of the components."""
        return self.mean + (coordinates * self.deviation) @ self.components

    def relative(self, feature: Tensor, to: Tensor) -> Tensor:
        """The difference of two features in units of each channel's deviation."""
        return (feature - to) / self.spread
