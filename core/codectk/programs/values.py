"""Real values in front of the integer coder, on arrays of any library.

A coding program codes real values and sees what both ends know of them. `value_coder` makes such a coder of any of
`codectk.coding`'s: whole arrays cross the border as int32 on the CPU, and nothing else does. Training reads the same
program with `codectk.nn.coders.Meter`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from copy import copy
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import numpy as np
from array_api_compat import array_namespace, device, to_device

from codectk.base.errors import ContractError, WeightsError
from codectk.coding.tables import Tables
from codectk.spec.stages import SymbolCoder

SCALE_MIN, SCALE_MAX, SCALE_LEVELS = 0.11, 256.0, 64
"""Scale table: 64 log-spaced standard deviations, as in Ballé et al. 2018 and its successors."""
SCALE_STEP = (math.log(SCALE_MAX) - math.log(SCALE_MIN)) / (SCALE_LEVELS - 1)
"""Between the logarithms of two of them."""


class Prior(Protocol):
    """A probability model as coding needs it.

    Attributes:
        label: name under which rates are accounted.
        tables: integer tables, or None while it is trained.
    """

    label: str
    tables: Tables | None


class ChannelPrior(Prior, Protocol):
    """One with a table per channel.

    Attributes:
        medians: float32 (1, channels, 1, 1), subtracted before coding and added again; zero before integer networks.
    """

    medians: Any


@dataclass(frozen=True)
class StoredPrior:
    """A prior from a weights file, see `Prior` and `ChannelPrior`."""

    label: str
    tables: Tables | None
    medians: Any = None


@dataclass(frozen=True)
class Subject:
    """What an array of values is.

    Attributes:
        label: of its prior.
        places: of values (B, C, N) that are some positions of a grid, which ones, counted row by row; None for others.
        sides: height and width of that grid.
    """

    label: str
    places: np.ndarray | None = None
    sides: tuple[int, int] = (0, 0)


@runtime_checkable
class Attentive(Protocol):
    """A `SymbolCoder` that wants to know what it codes."""

    def about(self, subject: Subject) -> None:
        """Told before each array of a program that works with a `ValueCoder`."""


class ValueCoder(ABC):
    """What a coding program sees."""

    def at(self, places: np.ndarray, height: int, width: int) -> ValueCoder:
        """The coder for values (B, C, N) at some positions of a grid of this size, counted row by row."""
        return self

    @abstractmethod
    def code(self, index: Any, value: Any | None, prior: Any, bound: int | None = None) -> Any:
        """Code one array of values, rounded.

        Args:
            index: table index per value: whole numbers of any dtype.
            value: real values that are rounded and coded, or None to decode.
            prior: the probability model.
            bound: largest magnitude that the program can use; what is beyond comes back as that.

        Returns:
            float32 whole numbers of `index`'s shape.
        """

    @abstractmethod
    def raw(self, value: int | None, bits: int) -> int:
        """As `SymbolCoder.raw`."""

    @abstractmethod
    def layer(self, more: bool | None) -> bool:
        """As `SymbolCoder.layer`; in training, `more` holds for the whole batch."""


class ArrayCoder(ValueCoder):
    """Carries arrays to an integer coder and back.

    Args:
        coder: the integer coder.
        like: an array of the library and on the device on which decoded values are wanted.
        rounds: take the nearest table where an index is no whole number. For programs with float networks, whose
            indices are real; such a codec is not portable.

    Raises, in `code`:
        WeightsError: a prior without tables.
        ContractError: an index that is no whole number, without `rounds`.
    """

    def __init__(self, coder: SymbolCoder, like: Any, *, rounds: bool = False):
        self.coder, self.rounds = coder, rounds
        self._xp, self._device = array_namespace(like), device(like)
        self._subject = Subject("")

    def at(self, places: np.ndarray, height: int, width: int) -> ArrayCoder:
        there = copy(self)
        there._subject = Subject("", places, (height, width))
        return there

    def code(self, index: Any, value: Any | None, prior: Prior, bound: int | None = None) -> Any:
        if prior.tables is None:
            raise WeightsError(f"the prior '{prior.label}' has no coding tables; export the checkpoint first.")
        if not (self.rounds or _whole(index)):
            raise ContractError(
                f"a table index of '{prior.label}' is not a whole number: what a portable codec computes for the coder "
                "must be integers, or its files decode on no other machine."
            )
        if isinstance(self.coder, Attentive):
            self.coder.about(replace(self._subject, label=prior.label))
        coded = self.coder.code(_symbols(index), None if value is None else _symbols(value), prior.tables)
        if bound is not None:
            coded = np.clip(coded, -bound, bound)
        xp = self._xp
        return xp.astype(xp.asarray(np.ascontiguousarray(coded), device=self._device), xp.float32)

    def raw(self, value: int | None, bits: int) -> int:
        return self.coder.raw(value, bits)

    def layer(self, more: bool | None) -> bool:
        return self.coder.layer(more)


def value_coder(coder: SymbolCoder | ValueCoder, like: Any, *, rounds: bool = False) -> ValueCoder:
    """Any coder as a program sees it; arguments as for `ArrayCoder`. One that takes values already stays itself."""
    return coder if isinstance(coder, ValueCoder) else ArrayCoder(coder, like, rounds=rounds)


def code_channels(coder: ValueCoder, values: Any | None, prior: ChannelPrior, present: Any, bound: int | None) -> Any:
    """Code values with a table per channel, or decode them when None.

    Args:
        coder: see `ValueCoder`.
        values: real, (B, channels, h, w).
        prior: the probability model.
        present: bool that broadcasts to (B, channels, h, w): where there is a value. A coder, unlike the meter of a
            batch, takes none that are not there.
        bound: as for `ValueCoder.code`.

    Returns:
        float32 (B, channels, h, w), what both ends know of the values.
    """
    xp, medians = array_namespace(prior.medians), prior.medians
    channel = xp.reshape(xp.arange(medians.shape[1], device=device(medians)), (1, -1, 1, 1))
    at = xp.where(present, channel, -1)
    return coder.code(at, None if values is None else values - medians, prior, bound) + medians


def settled(values: Any, prior: ChannelPrior, bound: int | None) -> Any:
    """What both ends will know of values that `code_channels` codes. (Gradients end here.)"""
    xp = array_namespace(values)
    symbols = xp.round(values - prior.medians)
    return (symbols if bound is None else xp.clip(symbols, -bound, bound)) + prior.medians


def everywhere(like: Any, batch: int, height: int, width: int) -> Any:
    """True at all positions: bool (batch, 1, height, width) of the library and on the device of `like`."""
    xp = array_namespace(like)
    return xp.ones((batch, 1, height, width), dtype=xp.bool, device=device(like))


def _whole(array: Any) -> bool:
    """Whether all are whole numbers."""
    xp = array_namespace(array)
    return not xp.isdtype(array.dtype, "real floating") or bool(xp.all(xp.round(array) == array))


def _symbols(array: Any) -> np.ndarray:
    """Rounded, int32 on the CPU, contiguous."""
    xp = array_namespace(array)
    nearest = xp.round(array) if xp.isdtype(array.dtype, "real floating") else array
    return np.ascontiguousarray(np.asarray(to_device(xp.astype(nearest, xp.int32), "cpu")))
