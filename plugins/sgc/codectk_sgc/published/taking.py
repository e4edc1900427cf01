"""One tensor after the other out of a checkpoint, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from codectk.base.errors import WeightsError
from codectk_sgc.published.reading import State

Arrays = dict[str, np.ndarray]


class Taking:
    """What was not taken yet.

    Args:
        state: tensors by name.
        where: how to call the file in messages.
        what: what it should be, such as "DeepLab v2".
    """

    def __init__(self, state: State, where: str, what: str) -> None:
        self._state, self._where, self._what = state, where, what
        self._left = set(state)

    def take(self, name: str, shape: Sequence[int]) -> Tensor:
        """A tensor as float32; where it has more dimensions than `shape`, they must be of one element.

        Raises:
            WeightsError: it is missing, of another shape or not finite.
        """
        if name not in self._state:
            raise WeightsError(f"{self._where} is no {self._what}: it lacks '{name}'.")
        self._left.discard(name)
        value, wanted = self._state[name], tuple(shape)
        found = tuple(value.shape)
        if found[: len(wanted)] != wanted or any(side != 1 for side in found[len(wanted) :]):
            raise WeightsError(f"{self._where} is no {self._what}: '{name}' has shape {found}, not {wanted}.")
        if not torch.isfinite(value).all():
            raise WeightsError(f"{self._where} is of no use: '{name}' has values that are not finite.")
        return value.reshape(wanted).float()

    def array(self, name: str, shape: Sequence[int]) -> np.ndarray:
        """A copy of a tensor, which does not need the file."""
        return np.array(self.take(name, shape).numpy())

    def close(self, ignored: re.Pattern[str]) -> None:
        """Refuse a checkpoint with tensors that nobody asked for.

        Args:
            ignored: the beginnings of names that may be left.

        Raises:
            WeightsError: other ones are left.
        """
        for name in sorted(self._left):
            if not ignored.match(name):
                raise WeightsError(f"{self._where} is no {self._what}: it holds '{name}', which that lacks.")


def under(prefix: str, shapes: Mapping[str, torch.Size]) -> dict[str, torch.Size]:
    """Shapes of the tensors below a prefix, by the rest of their names."""
    return {name.removeprefix(prefix): shape for name, shape in shapes.items() if name.startswith(prefix)}
