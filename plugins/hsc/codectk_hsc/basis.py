"""The coordinates in which styles are handled: principal components of W.

W is strongly compressible, and the generator lacks StyleGAN2's demodulation, so codes far from it break the picture;
both speak for coordinates in which W is a ball. They are computed from the generator and stored with the heads.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from codectk_hsc.config import Config
from codectk_hsc.generators.interface import Generator

SEED, CODES = 1, 1 << 15


class Basis(nn.Module):
    """Whitened coordinates and back.

    Attributes:
        mean (dim,): the mean style.
        components (components, dim): unit rows, by falling variance.
        deviation (components,): standard deviation along each.
    """

    mean: Tensor
    components: Tensor
    deviation: Tensor

    def __init__(self, config: Config):
        super().__init__()
        c = config
        self.register_buffer("mean", torch.zeros(c.dim))
        self.register_buffer("components", torch.eye(c.components, c.dim))
        self.register_buffer("deviation", torch.ones(c.components))

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

    def coordinates(self, styles: Tensor) -> Tensor:
        """(B, slots, dim) -> (B, slots, components), of about unit variance for codes that were drawn."""
        return (styles - self.mean) @ self.components.T / self.deviation

    def styles(self, coordinates: Tensor) -> Tensor:
        """The inverse, within the span of the components."""
        return self.mean + (coordinates * self.deviation) @ self.components
