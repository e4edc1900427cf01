"""CompressAI's quantized cumulative distributions as the coder's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from codectk.base.errors import WeightsError
from codectk.coding.tables import Tables

PREFIX = "tables."
"""A weights file has tables as `tables.<entropy model>.<array>`."""


def tables_of(entropy_model: Any) -> Tables:
    """The tables of an entropy model of CompressAI whose `update` has run.

    Its last interval, the tail, is the escape here too. Counts are taken as they are: both coders work with 16 bits.
    """
    cdf = entropy_model._quantized_cdf.cpu().numpy()
    sizes = entropy_model._cdf_length.cpu().numpy() - 1
    inside = np.arange(cdf.shape[1] - 1) < sizes[:, None]
    return Tables(np.where(inside, np.diff(cdf), 0), sizes, entropy_model._offset.cpu().numpy())


def pack(tables: Mapping[str, Tables]) -> dict[str, np.ndarray]:
    """Arrays of a weights file."""
    return {f"{PREFIX}{name}.{key}": value for name, own in tables.items() for key, value in own.to_arrays().items()}


def unpack(arrays: Mapping[str, np.ndarray]) -> dict[str, Tables]:
    """The inverse of `pack`; other arrays are left alone.

    Raises:
        WeightsError: arrays are missing, or are no tables.
    """
    parts: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        if name.startswith(PREFIX):
            model, _, key = name.removeprefix(PREFIX).rpartition(".")
            parts.setdefault(model, {})[key] = array
    if not parts:
        raise WeightsError("the weights have no coding tables.")
    return {name: Tables.from_arrays(part) for name, part in parts.items()}
