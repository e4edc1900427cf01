"""While a network is built for coding.

Its fresh weights do not touch the random numbers of the host. A network that a file could not fill is refused before it
takes memory, for the file may come from anybody.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from codectk.base.errors import WeightsError

SPARE = 64 << 20
"""Values that a network may have beside those of its weights file: frozen parts of other packages."""

FACTOR = 2
"""Values that a network may have for each byte of its weights file; those of int8 take one, and some are made twice."""

_BY_SIZE = {"empty", "zeros", "ones", "full", "rand", "randn", "randint", "empty_strided",
            "new_empty", "new_zeros", "new_ones", "new_full", "new_empty_strided"}  # fmt: skip
_BY_COUNT = {"arange", "linspace", "logspace", "randperm", "eye"}


class OversizeError(WeightsError):
    """A weights file asks for a network that it could not fill."""


class Building(TorchDispatchMode):
    """Within it, random numbers of this thread come from a generator of its own, the same ones every time, and tensors
    are refused before they are made, once all of them together pass what a file could fill.

    Args:
        size: bytes of the file; None for a network of our own.

    Raises:
        OversizeError: the limit is passed.
    """

    def __init__(self, size: int | None = None) -> None:
        super().__init__()
        self._most = self._left = math.inf if size is None else SPARE + FACTOR * size
        self._generator = torch.Generator().manual_seed(0)

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if torch.device(kwargs.get("device") or "cpu").type != "meta":
            self._left -= _values(func.overloadpacket.__name__, args)
        if self._left < 0:
            raise OversizeError(f"it would have more than {self._most:,} values, far more than the file holds.")
        if torch.Tag.nondeterministic_seeded in func.tags and kwargs.get("generator") is None:
            func = getattr(func.overloadpacket, "generator", func)
            kwargs["generator"] = self._generator
        return func(*args, **kwargs)


def _values(name: str, args: Sequence[Any]) -> int:
    """How many values an operation makes out of nothing."""
    if name in _BY_SIZE:
        sizes = next((arg for arg in args if isinstance(arg, list | tuple)), ())
        return math.prod(int(size) for size in sizes)
    if name in _BY_COUNT:
        numbers = [abs(arg) for arg in args if isinstance(arg, int | float)]
        return int(max(numbers, default=0)) * (int(numbers[-1]) if name == "eye" else 1)
    return 0
