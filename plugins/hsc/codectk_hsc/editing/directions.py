"""The directions in W that belong to the catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

import torch
from torch import Tensor

from codectk.base.errors import WeightsError
from codectk.weights.manifest import find_entry
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors
from codectk_hsc.editing.catalogue import CATALOGUE

ENTRY = "hsc-directions"


@lru_cache(maxsize=1)
def directions() -> Mapping[str, Tensor]:
    """The mean change of w, float32 (dim,), for one standard deviation of an attribute, the others held.

    Raises:
        WeightsError: the plugin's file of them is missing or not the right one.
    """
    arrays = load_tensors(resolve(find_entry("codectk_hsc", ENTRY), "codectk_hsc"))
    if missing := sorted(set(CATALOGUE) - set(arrays)):
        raise WeightsError(f"The weights {ENTRY} lack the direction '{missing[0]}'.")
    return {name: torch.from_numpy(array).float() for name, array in arrays.items()}


def moved(styles: Tensor, edits: Mapping[str, float]) -> Tensor:
    """Style codes after edits.

    Args:
        styles: float32 (B, slots, dim).
        edits: amounts by name in the catalogue.

    Returns:
        The same shape.
    """
    styles = styles.clone()
    for name, amount in edits.items():
        first, last = CATALOGUE[name].slots
        step = directions()[name] * (amount * CATALOGUE[name].lengths)
        styles[:, first : last + 1] += step.to(styles.device)
    return styles
