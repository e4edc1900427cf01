"""Stages with adapters around them, which the pipeline takes for one stage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from codectk.base.types import Context
from codectk.spec.adapter import Adapter
from codectk.spec.capabilities import offered
from codectk.spec.stages import LatentSpec


def is_adapter(stage: Any) -> bool:
    """Whether something named among the adapters is one; else it is an entropy model that codes beside the main one."""
    return isinstance(stage, Adapter)


class CodingChain:
    """An entropy model with adapters around it, and with others that code, before it, what it does not.

        values -> enter of the adapters -> [others.code] -> model.code -> leave of the adapters, last first -> latents

    Args:
        model: the main entropy model.
        between: adapters from the analysis to the entropy model, and entropy models.
    """

    def __init__(self, model: Any, between: Sequence[Any]):
        self.model = model
        self.adapters = [stage for stage in between if is_adapter(stage)]
        self.others = [stage for stage in between if not is_adapter(stage)]
        models = (*self.others, model)
        self.needs = self._outside([spec for stage in models for spec in stage.needs], self.adapters)
        added = tuple(spec for adapter in self.adapters for spec in getattr(adapter, "adds", ()))
        restoring = [adapter for adapter in self.adapters if offered(adapter, "adapter").get("restores", True)]
        self.gives = (*self._outside([spec for stage in models for spec in stage.gives], restoring), *added)

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        if values is not None:
            for adapter in self.adapters:
                values = adapter.enter(values, ctx)
        latents: dict[str, Any] = {}
        for stage in (*self.others, self.model):
            latents |= stage.code(coder, values, ctx)
        for adapter in reversed(self.adapters):
            latents = dict(adapter.leave(latents, ctx))
        return latents

    @staticmethod
    def _outside(inside: Sequence[LatentSpec], adapters: Sequence[Any]) -> tuple[LatentSpec, ...]:
        """The latents of the models, once each, as they are known beyond some adapters."""
        specs = {spec.name: spec for spec in inside}
        for adapter in reversed(adapters):
            gone = {spec.name for spec in adapter.inner}
            if gone & specs.keys():
                specs = {name: spec for name, spec in specs.items() if name not in gone}
                specs |= {spec.name: spec for spec in adapter.outer}
        return tuple(specs.values())


class AdaptedConditioning:
    """A conditioning stage, and adapters through which what it says passes."""

    def __init__(self, conditioning: Any, adapters: Sequence[Any]):
        self.conditioning, self.adapters = conditioning, adapters

    def __call__(self, x: Any, ctx: Context) -> Any:
        condition = self.conditioning(x, ctx)
        for adapter in self.adapters:
            condition = adapter.condition(condition, ctx)
        return condition
