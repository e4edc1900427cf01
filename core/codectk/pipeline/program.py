"""The one program of a codec, shared by encoder, decoder, rate search and training.

    x -> conditioning -> analysis -> values -> entropy_model.code(coder) -> latents -> synthesis -> post -> x'

Each function runs one arrow and checks that the stage kept to its declaration.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from codectk.base.errors import ContractError
from codectk.base.types import Context
from codectk.spec.stages import LatentSpec, Stages, SymbolCoder


@dataclass(frozen=True)
class Prepared:
    """A picture after the part of the analysis that does not depend on the rate knob.

    Attributes:
        x: the picture in the codec's array world; None once the analysis has taken what it needs from it.
        condition: what the conditioning stage said, or None.
        partial: what `analysis.prepare` made, or None for an analysis without it.
    """

    x: Any
    condition: Any
    partial: Any


class Pass(NamedTuple):
    """One run of the whole program: pixels out, latents as coded, values before coding."""

    x: Any
    latents: Mapping[str, Any]
    values: Mapping[str, Any]


class Forward(NamedTuple):
    """One differentiable run of a codec, see `codec.Codec.forward`."""

    x: Any
    latents: Mapping[str, Any]
    values: Mapping[str, Any]
    bits: Any


def prepare(codec: Stages, x: Any, ctx: Context) -> Prepared:
    """Run what one picture needs only once, whatever its rate.

    Args:
        codec: a checked codec (see `wire.check`).
        x: picture in the codec's array world, padded to the codec's stride.
        ctx: padded size and knobs. A rate search leaves the rate knob out, so that a stage which
            wrongly reads it here fails at once instead of freezing one rate.
    """
    condition = None if codec.conditioning is None else codec.conditioning(x, ctx)
    split = codec.can.split
    if split is None:
        return Prepared(x, condition, None)
    return Prepared(None, None, split.prepare(x, condition, ctx))


def outside(codec: Stages, prepared: Prepared, ctx: Context) -> str | None:
    """Why a prepared picture lies outside the codec's domain; None if it does not, or if the codec cannot tell.

    Raises:
        ContractError: the analysis said something else than a sentence.
    """
    judge = codec.can.judge
    remark = None if judge is None else judge.outside(prepared.partial, ctx)
    if remark is not None and not (isinstance(remark, str) and remark.strip()):
        raise ContractError(f"The analysis of codec '{codec.id}' said {remark!r} of a picture, not a sentence or None.")
    return remark


def distance(codec: Stages, prepared: Prepared, painted: Any, ctx: Context) -> float:
    """How far a painted picture is from a prepared one; for a codec that can compare.

    Raises:
        ContractError: the analysis said something else than a finite number.
    """
    assert codec.can.compare is not None
    told: object = codec.can.compare.distance(prepared.partial, painted, ctx)
    try:
        far = float(told)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        far = math.nan
    if not math.isfinite(far):
        raise ContractError(
            f"The analysis of codec '{codec.id}' said {told!r} of how far a picture is, which is not a finite number."
        )
    return far


def finish(codec: Stages, prepared: Prepared, ctx: Context) -> Mapping[str, Any]:
    """Turn a prepared picture into values by latent name.

    Raises:
        ContractError: the analysis did not make a latent it declares.
    """
    split = codec.can.split
    if split is None:
        values = codec.analysis(prepared.x, prepared.condition, ctx)
    else:
        values = split.finish(prepared.partial, ctx)
    return _holds(codec, "analysis", values, codec.analysis.produces)


def analyze(codec: Stages, x: Any, ctx: Context) -> Mapping[str, Any]:
    """Picture to values by latent name: `prepare` and `finish` in one go."""
    return finish(codec, prepare(codec, x, ctx), ctx)


def code(codec: Stages, coder: SymbolCoder, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
    """Run the coding program once, in whichever reading `coder` is; `values` None decodes.

    Returns:
        The latents as both ends know them.

    Raises:
        ContractError: the entropy model did not give a latent it declares.
    """
    return _holds(codec, "entropy model", codec.entropy_model.code(coder, values, ctx), codec.entropy_model.gives)


def synthesize(codec: Stages, latents: Mapping[str, Any], ctx: Context) -> Any:
    """Latents to a picture in the codec's array world, through synthesis and the post stage if there is one."""
    reveal = codec.can.reveal
    if reveal is not None:
        latents = {**latents, **_holds(codec, "synthesis", reveal.features(latents, ctx), reveal.reveals)}
    x = codec.synthesis(latents, ctx)
    return x if codec.post is None else codec.post(x, latents, ctx)


def forward(codec: Stages, x: Any, coder: SymbolCoder, ctx: Context) -> Pass:
    """The whole program on a picture or a batch, as training and rate estimates run it.

    Args:
        codec: a checked codec.
        x: pictures in the codec's array world, e.g. tensor (B, 3, H, W) in [0, 1].
        coder: usually a meter; afterwards it knows the bits.
        ctx: padded size and all knobs of both ends.
    """
    values = analyze(codec, x, ctx)
    latents = code(codec, coder, values, ctx)
    return Pass(synthesize(codec, latents, ctx), latents, values)


def _holds(codec: Stages, stage: str, made: object, declared: Iterable[LatentSpec]) -> Mapping[str, Any]:
    if not isinstance(made, Mapping):
        raise ContractError(
            f"The {stage} of codec '{codec.id}' returned {type(made).__name__} instead of a mapping by latent name."
        )
    for spec in declared:
        if spec.name not in made:
            raise ContractError(f"The {stage} of codec '{codec.id}' declares latent '{spec.name}' but did not make it.")
    return made
