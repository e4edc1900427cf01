"""Find the directions: `python -m codectk_hsc.training.directions --styles S.npz --labels L.npz -o FILE`.

Codes w of painted faces are regressed on attributes that were measured in their pictures, all attributes together, so
that each direction holds the others; attributes are turned into normal scores by rank first.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from statistics import NormalDist

import click
import numpy as np

from codectk.base.errors import CodectkError, InputError
from codectk.weights.tensors import save_tensors
from codectk_hsc.editing.catalogue import CATALOGUE

LABELS: Mapping[str, str] = {
    "age": "age_score_sqrt",
    "background_blue": "bg_blue",
    "background_brightness": "bg_luma",
    "glasses": "glasses_log_edge",
    "hair_brightness": "hair_luma",
    "light_side": "light_lr",
    "masculine": "gender_masculine_score",
    "skin_brightness": "skin_luma",
    "warmth": "skin_red",
}
"""Names of edits that the table of labels calls otherwise."""


def normal_scores(values: np.ndarray) -> np.ndarray:
    """Ranks (n,) as quantiles of the standard normal distribution."""
    ranks = values.argsort().argsort()
    quantile = NormalDist().inv_cdf
    return np.array([quantile((rank + 0.5) / len(values)) for rank in ranks])


def regress(w: np.ndarray, attributes: np.ndarray) -> np.ndarray:
    """Least squares with an intercept.

    Args:
        w: (n, dim).
        attributes: normal scores (n, k).

    Returns:
        (k, dim), the mean change of w per unit of each attribute.
    """
    solution: np.ndarray = np.linalg.lstsq(np.c_[attributes, np.ones(len(w))], w, rcond=None)[0]
    return solution[:-1]


def find(styles: Path, labels: Path, held_out: int) -> dict[str, np.ndarray]:
    """Directions from a table of codes (`w`) and one of labels (`names`, `values`) in the same order.

    Args:
        styles, labels: npz files.
        held_out: so many faces at the end are not used.

    Raises:
        InputError: a table or a label is missing.
    """
    try:
        with np.load(styles) as codes, np.load(labels) as table:
            w = codes["w"].astype(np.float64)
            columns = {str(name): column for name, column in zip(table["names"], table["values"].T, strict=True)}
    except (OSError, KeyError, ValueError) as error:
        raise InputError(f"The tables of codes and labels cannot be read: {error}.") from error
    used = len(w) - held_out
    wanted = {name: LABELS.get(name, name) for name in CATALOGUE}
    if missing := sorted(set(wanted.values()) - set(columns)):
        raise InputError(f"{labels} has no label '{missing[0]}'.")
    scores = np.stack([normal_scores(columns[label][:used]) for label in wanted.values()], 1)
    found = regress(w[:used], scores)
    return {name: direction.astype(np.float16) for name, direction in zip(wanted, found, strict=True)}


@click.command()
@click.option("--styles", type=click.Path(path_type=Path), required=True, help="Codes w of faces, npz.")
@click.option("--labels", type=click.Path(path_type=Path), required=True, help="Their measured attributes, npz.")
@click.option("--held-out", type=click.IntRange(0), default=200, show_default=True, help="Faces left out at the end.")
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="safetensors file to write.")
def main(styles: Path, labels: Path, held_out: int, output: Path) -> None:
    """Regress codes on attributes."""
    try:
        save_tensors(output, find(styles, labels, held_out), {"rows": "mean change of w per deviation"})
    except CodectkError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
