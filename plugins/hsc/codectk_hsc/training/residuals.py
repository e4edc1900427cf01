"""Measure how large residuals are: `python -m codectk_hsc.training.residuals PORTRAITS --weights IN -o OUT`.

Each portrait is refined as `codectk encode --effort` does, and the mean magnitude of its residual by slot and component
becomes the table of scales that the entropy model codes with. OUT is IN with that table. Doing it again with OUT
measures residuals that were found under better rates.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
import torch

import codectk
from codectk.base.errors import CodectkError, InputError
from codectk.base.memory import keep_freed_memory
from codectk.nn.priors import index_of
from codectk.train.bar import Bar
from codectk.train.data import list_pictures
from codectk.weights.tensors import load_tensors, read_metadata, save_tensors
from codectk_hsc.program import MEAN_OF_NORMAL, RESIDUAL

TABLE = "entropy_model.scales"

PRIOR = 12.0
"""How many portraits the smooth fit counts as, beside what was seen of a single value."""

ROUNDING = 0.03
"""Added to mean magnitudes: a value that was never seen may still come."""


def scales_of(residuals: np.ndarray) -> np.ndarray:
    """Scale indices from whole residuals (n, components, slots): int8 (1, components, slots, 1).

    A product of a curve over components and one over slots is what few portraits can tell; each value's own mean is
    drawn towards it.
    """
    mean = np.abs(residuals).mean(0) + ROUNDING
    smooth = mean.mean(1, keepdims=True) * mean.mean(0, keepdims=True) / mean.mean()
    mixed = (PRIOR * smooth + len(residuals) * mean) / (PRIOR + len(residuals))
    indices = index_of(torch.from_numpy(mixed / MEAN_OF_NORMAL)).round().numpy()
    return indices.astype(np.int8)[None, :, :, None]


def measure(codec: codectk.Codec, files: list[Path], effort: int) -> np.ndarray:
    """Residuals of refined portraits: whole numbers (n, components, slots)."""
    found = []
    with Bar() as bar:
        bar.begin("refining portraits", len(files))
        for file in files:
            data = codec.encode(file, quality=100, effort=effort, aligned=True)
            found.append(np.asarray(codec.latents(data)[RESIDUAL])[0, :, :, 0])
            bar.show(len(found))
    return np.stack(found)


@click.command()
@click.argument("portraits", type=click.Path(path_type=Path))
@click.option("--weights", type=click.Path(path_type=Path), required=True, help="safetensors file to start from.")
@click.option("--effort", default=6, show_default=True)
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="safetensors file to write.")
def main(portraits: Path, weights: Path, effort: int, output: Path) -> None:
    """Measure the residuals' scales on framed portraits."""
    try:
        keep_freed_memory()
        if not (files := list_pictures([portraits])):
            raise InputError(f"{portraits} holds no pictures.")
        residuals = measure(codectk.load("hsc", weights=str(weights)), files, effort)
        arrays = {**load_tensors(weights), TABLE: scales_of(residuals)}
        save_tensors(output, arrays, {**read_metadata(weights), "portraits": str(len(files))})
    except CodectkError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
