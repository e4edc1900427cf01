"""Solve the regression: `python -m codectk_hsc.training.regress FACES -o regression.safetensors`.

FACES is a folder of `codectk_hsc.training.render`. Ridge regression of all slots' coordinates, then the best
approximation of the lower rank that the network has (reduced-rank regression, Izenman 1975).
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch
from torch import Tensor

from codectk.base.errors import CodectkError
from codectk.base.memory import keep_freed_memory
from codectk.picture.read import read_picture
from codectk.train.bar import Bar
from codectk.train.data import list_pictures
from codectk.weights.tensors import save_tensors
from codectk_hsc.config import SMALL
from codectk_hsc.network import Network
from codectk_hsc.regression import evidence
from codectk_hsc.training.degrade import degrade
from codectk_hsc.training.faces import draw_styles

BATCH = 32
RIDGE = 0.13
"""Weight of the penalty, for standardized evidence, as a share of the number of faces."""

PREFIX = "analysis.inversion.regression."


@torch.no_grad()
def gather(network: Network, folder: Path, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Evidence (n, D) of degraded pictures, and the coordinates (n, slots * components) to be told from it."""
    torch.manual_seed(seed)
    files = list_pictures([folder])
    generator, basis = network.synthesis.generator, network.synthesis.basis
    seen, known = [], []
    with Bar() as bar:
        bar.begin("looking at faces", len(files))
        for start in range(0, len(files), BATCH):
            some = files[start : start + BATCH]
            x = torch.stack([torch.from_numpy(read_picture(file).pixels.copy()) for file in some])
            x = degrade(x.permute(0, 3, 1, 2).float() / 255)
            seen.append(evidence(x, network.analysis.inversion.backbone(x)[2]))
            styles = torch.stack([draw_styles(generator, int(file.stem)) for file in some])
            known.append(basis.coordinates(styles).flatten(1))
            bar.show(start + len(some))
    return torch.cat(seen), torch.cat(known)


def solve(seen: Tensor, known: Tensor, worth: Tensor, rank: int) -> dict[str, Tensor]:
    """Reduced-rank ridge regression.

    Args:
        seen: (n, D).
        known: (n, K).
        worth: (K,), the weight of each value's error, as a factor of its deviation.
        rank: of the map.

    Returns:
        The tensors of `Regression`: center (D,), spread (D,), project (rank, D), expand (K, rank), bias (K,).
    """
    center, spread = seen.mean(0), seen.std(0) + 1e-3
    z, bias = (seen - center) / spread, known.mean(0)
    target = (known - bias) * worth
    gram = z.T @ z
    weight = torch.linalg.solve(gram + RIDGE * len(z) * torch.eye(len(gram)), z.T @ target)
    # The directions of the fitted values in which they vary the most.
    fitted = weight.T @ gram @ weight
    _, vectors = torch.linalg.eigh(fitted)
    kept = vectors[:, -rank:]
    return {
        "center": center,
        "spread": spread,
        "project.weight": (weight @ kept).T.contiguous(),
        "expand.weight": kept / worth[:, None],
        "bias": bias,
    }


@click.command()
@click.argument("faces", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="safetensors file to write.")
def main(faces: Path, output: Path) -> None:
    """Solve the regression of style codes on what a frozen network sees."""
    try:
        keep_freed_memory()
        network = Network(SMALL)
        basis = network.synthesis.basis
        basis.measure(network.synthesis.generator)
        seen, known = gather(network, faces)
        worth = basis.deviation.repeat(SMALL.slots)
        solved = solve(seen, known, worth, SMALL.regression_rank)
        arrays = {PREFIX + name: value.numpy().astype(np.float32) for name, value in solved.items()}
        save_tensors(output, arrays, {"faces": str(len(seen))})
    except CodectkError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
