"""Stages of programs, with the networks that these call: how a codec is wired without torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from codectk.base.types import Context
from codectk.spec.stages import LatentSpec, SymbolCoder


@dataclass
class Analysis:
    """A split analysis, see `codectk.spec.capabilities.SplitAnalysis`.

    Attributes:
        produces: what it makes.
        nets: what its programs call.
        before: networks, picture and condition -> what does not depend on the rate.
        after: networks, that, and the context -> values by latent name.
    """

    produces: tuple[LatentSpec, ...]
    nets: Any
    before: Callable[[Any, Any, Any], Any]
    after: Callable[[Any, Any, Context], Mapping[str, Any]]

    def prepare(self, x: Any, condition: Any, ctx: Context) -> Any:
        return self.before(self.nets, x, condition)

    def finish(self, prepared: Any, ctx: Context) -> Mapping[str, Any]:
        return self.after(self.nets, prepared, ctx)

    def __call__(self, x: Any, condition: Any, ctx: Context) -> Mapping[str, Any]:
        return self.finish(self.prepare(x, condition, ctx), ctx)


@dataclass
class EntropyModel:
    """An entropy model.

    Attributes:
        gives: what it codes.
        nets: what its program calls.
        program: networks, coder, values or None, and the context -> latents as both ends know them.
    """

    gives: tuple[LatentSpec, ...]
    nets: Any
    program: Callable[[Any, Any, Mapping[str, Any] | None, Context], Mapping[str, Any]]

    def __post_init__(self) -> None:
        self.needs = self.gives

    def code(self, coder: SymbolCoder, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        return self.program(self.nets, coder, values, ctx)


@dataclass
class Synthesis:
    """A revealing synthesis, see `codectk.spec.capabilities.RevealingSynthesis`.

    Attributes:
        needs: latents that it paints from.
        reveals: features that it shows to the post stage.
        nets: what its programs call.
        before: networks, latents and the context -> features.
        after: networks, and latents with features -> the picture.
    """

    needs: tuple[LatentSpec, ...]
    reveals: tuple[LatentSpec, ...]
    nets: Any
    before: Callable[[Any, Mapping[str, Any], Context], Mapping[str, Any]]
    after: Callable[[Any, Mapping[str, Any]], Any]

    def features(self, latents: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]:
        return self.before(self.nets, latents, ctx)

    def __call__(self, latents: Mapping[str, Any], ctx: Context) -> Any:
        return self.after(self.nets, latents)
