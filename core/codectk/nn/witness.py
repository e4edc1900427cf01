"""Watches a coding program compute, and notices what another processor would compute otherwise."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

NARROW = (torch.float16, torch.bfloat16)
PRODUCTS = ("convolution", "conv2d", "mm", "bmm", "addmm", "baddbmm", "matmul", "linear")
"""Operations that the process's switches may send through TF32 or bfloat16."""


class Witness(TorchDispatchMode):
    """Computes every operation in here a second time, in float64, and keeps those that then differ.

    What is whole numbers below 2**24, or a single operation that IEEE 754 rounds correctly, is the same float32 either
    way. A sum whose terms were rounded, or an exponential, is not, and no two processors agree on it.

    Attributes:
        findings: one sentence for each kind of operation that is not the same everywhere, in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.findings: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        given = [leaf for leaf in tree_flatten((args, kwargs))[0] if isinstance(leaf, Tensor)]
        name = func._schema.name.removeprefix("aten::")
        if torch.Tag.nondeterministic_seeded in func.tags:
            self._find(f"'{name}' draws random numbers")
        if any(tensor.dtype in NARROW for tensor in given):
            self._find(f"'{name}' computes in half precision, as the calling program's autocast has it")
        if not any(tensor.dtype == torch.float32 for tensor in given):
            return func(*args, **kwargs)
        if name.removesuffix("_") in PRODUCTS and _narrow_products():
            self._find(f"'{name}' may take TF32 or bfloat16, as the calling program allows")
        # Before the operation itself: it may work in place.
        wide_args, wide_kwargs = tree_map(_wide, (args, kwargs))
        result = func(*args, **kwargs)
        with suppress(NotImplementedError, RuntimeError):  # what has no float64 kernel cannot be compared
            wide = func(*wide_args, **wide_kwargs)
            for one, other in zip(tree_flatten(result)[0], tree_flatten(wide)[0], strict=True):
                if isinstance(one, Tensor) and not _same(one, other):
                    self._find(f"'{name}' of shape {tuple(one.shape)} is not exact: it depends on the order of sums")
        return result

    def _find(self, sentence: str) -> None:
        if sentence not in self.findings:
            self.findings.append(sentence)


@contextmanager
def careless() -> Iterator[None]:
    """A calling program that has allowed everything fast: autocast to bfloat16, and TF32 or bfloat16 in products."""
    backends: Any = torch.backends
    before = torch.get_float32_matmul_precision()
    kinds = [backends.mkldnn.matmul, backends.mkldnn.conv] if hasattr(backends.mkldnn, "conv") else []
    precisions = [kind.fp32_precision for kind in kinds]
    try:
        if kinds:  # torch >= 2.9 has one switch per kind of kernel
            for kind in kinds:
                kind.fp32_precision = "bf16"
        else:
            torch.set_float32_matmul_precision("medium")
        with torch.autocast("cpu", torch.bfloat16):
            yield
    finally:
        for kind, precision in zip(kinds, precisions, strict=True):
            kind.fp32_precision = precision
        if not kinds:
            torch.set_float32_matmul_precision(before)


def _narrow_products() -> bool:
    backends: Any = torch.backends
    kinds = [backends.mkldnn.matmul, backends.mkldnn.conv] if hasattr(backends.mkldnn, "conv") else []
    if kinds:
        return any(kind.fp32_precision in ("bf16", "tf32") for kind in kinds)
    return torch.get_float32_matmul_precision() != "highest"


def _wide(value: Any) -> Any:
    """float32 to float64; a number next to float32 tensors is a float32 for torch, too."""
    if isinstance(value, float):
        return float(np.float32(value))
    if isinstance(value, Tensor):
        return value.double() if value.dtype == torch.float32 else value.clone()
    return value


def _same(one: Tensor, other: Tensor) -> bool:
    return bool(torch.equal(torch.nan_to_num(one), torch.nan_to_num(other.to(one.dtype))))
