"""What makes stages of a recipe fit that do not fit by themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from codectk.base.types import Context
from codectk.spec.stages import LatentSpec


@runtime_checkable
class Adapter(Protocol):
    """Makes stages of a recipe fit that do not fit by themselves; a recipe names it under [adapters].

    It stands around the entropy model: `enter` carries values from the analysis to it, `leave` latents from it to the
    synthesis. An adapter may also have a method `condition(condition, ctx)`, through which what the conditioning stage
    says passes on its way to the analysis.

    Attributes:
        outer: latents as analysis and synthesis know them, known after `join`.
        inner: the same as the entropy model knows them.

    An optional attribute `adds` lists latents that `leave` makes beside them, for the synthesis; `restores` is False
    for an adapter whose `leave` hands on what the entropy model gives, so that the synthesis must want `inner`.
    """

    outer: tuple[LatentSpec, ...]
    inner: tuple[LatentSpec, ...]

    def join(self, outside: Sequence[LatentSpec], inside: Sequence[LatentSpec]) -> None:
        """Learn what is to be joined; called once, before anything else.

        Args:
            outside: what the analysis produces.
            inside: what the entropy model needs.

        Raises:
            ContractError: the two cannot be joined by this adapter; one sentence.
        """
        ...

    def enter(self, values: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]: ...

    def leave(self, latents: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]: ...
