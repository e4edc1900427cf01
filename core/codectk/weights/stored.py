"""A network's tensors as a weights file stores them, and what they stand for; see `codectk.nn.storage` for the form."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from codectk.base.errors import WeightsError
from codectk.coding.tables import Tables

MAX_CELLS = 1 << 26
"""Most cells of the rectangle that holds all tables of a prior."""

TABLES = "tables."
INTEGERS = (".int_weight", ".int_bias", ".table")
"""Tensors of integer layers, which are carried in float32."""


def dequantized(rows: np.ndarray, scale: np.ndarray) -> np.ndarray:
    """int8 rows times their float32 scales."""
    product: np.ndarray = rows.astype(np.float32) * scale.astype(np.float32).reshape(-1, *[1] * (rows.ndim - 1))
    return product


def output_scale(shift: np.ndarray) -> np.ndarray:
    """2**shift, exact, of an integer layer's outputs. (A library's exp2 may be off by a bit.)"""
    scale: np.ndarray = np.ldexp(np.float32(1), shift.astype(np.int32))
    return scale


def real_tensors(stored: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors by state-dict name as a network has them, and of integer layers `scale` in place of `shift`.

    Coding tables stay as they are.
    """
    result = {}
    for name, array in stored.items():
        if name.startswith(TABLES):
            result[name] = array
        elif name.endswith(".shift"):
            result[name.removesuffix("shift") + "scale"] = output_scale(array)
        elif array.dtype == np.int8 and f"{name}.scale" in stored:
            result[name] = dequantized(array, stored[f"{name}.scale"])
        elif name.endswith(".scale") and name.removesuffix(".scale") in stored:
            continue
        elif array.dtype.kind == "f" or name.endswith(INTEGERS):
            result[name] = np.ascontiguousarray(array, np.float32)
        else:
            result[name] = array
    return result


def pack_tables(tables: Tables) -> dict[str, np.ndarray]:
    """Coding tables as they are stored, `frequencies` without what pads them."""
    arrays = tables.to_arrays()
    frequencies, sizes = arrays["frequencies"], arrays["sizes"]
    used = np.arange(frequencies.shape[1])[None] < sizes[:, None]
    return {"frequencies": frequencies[used].astype(np.uint16), "sizes": sizes, "offsets": arrays["offsets"]}


def table_names(prior: str) -> tuple[str, ...]:
    """Under which names the coding tables of a prior are stored."""
    return tuple(f"{TABLES}{prior}.{key}" for key in ("frequencies", "sizes", "offsets"))


def unpack_tables(stored: Mapping[str, np.ndarray], prior: str) -> Tables:
    """The coding tables of a prior.

    Raises:
        WeightsError: they are not whole, or would take more room than any codec needs.
    """
    packed, sizes, offsets = (stored[name] for name in table_names(prior))
    sizes = sizes.astype(np.int64)
    if sizes.ndim != 1 or sizes.size == 0 or sizes.min() < 1 or packed.shape != (sizes.sum(),):
        raise WeightsError("the coding tables' sizes do not add up.")
    if sizes.size * int(sizes.max()) > MAX_CELLS:  # one long table among many short ones is a small file
        raise WeightsError(f"the coding tables would have more than {MAX_CELLS:,} cells.")
    frequencies = np.zeros((sizes.size, int(sizes.max())), np.int32)
    frequencies[np.arange(sizes.max())[None] < sizes[:, None]] = packed
    return Tables(frequencies, sizes.astype(np.int32), offsets)
