"""Faces to train on: style codes drawn by number, and the pictures that the generator paints from them.

A face is a function of its number, so that a folder of pictures named by number needs no table of codes beside it.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from codectk_hsc.generators.interface import Generator

SEED = 20261120
TRUNCATION = (0.5, 1.0)
"""Range of the truncation psi: w' = mean + psi (w - mean), Karras et al. 2019, section B."""

PARTS = (0.5, 0.3, 0.2)
"""How often a face has the codes of one, two or three persons; a real photo's codes are no single w either."""


@torch.no_grad()
def draw_styles(generator: Generator, number: int, seed: int = SEED) -> Tensor:
    """Style codes of one face.

    Args:
        generator: whose mapping network is used.
        number: which face.
        seed: of the whole row of faces.

    Returns:
        float32 (slots, dim): up to three persons' codes, each for a run of slots, truncated towards the mean.
    """
    draws = np.random.default_rng((seed, number))
    psi = draws.uniform(*TRUNCATION)
    parts = 1 + int(draws.choice(len(PARTS), p=PARTS))
    borders = np.sort(draws.choice(np.arange(1, generator.slots), parts - 1, replace=False))
    z = torch.from_numpy(draws.standard_normal((parts, generator.dim)).astype(np.float32)).to(generator.mean.device)
    lengths = np.diff([0, *borders, generator.slots]).tolist()
    w = torch.repeat_interleave(generator.styles(z), torch.tensor(lengths, device=z.device), dim=0)
    return generator.mean + psi * (w - generator.mean)
