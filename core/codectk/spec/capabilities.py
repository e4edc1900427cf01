"""What stages can do beyond their calls: declared by having a method, found once, and asked for nowhere else.

    split      analysis    prepare, finish      a search for a size runs the costly part once
    judge      analysis    outside              tells which pictures the codec was not made for
    compare    analysis    distance             tells which of several painted pictures is closest
    refine     analysis    refinement           says what an encoder that tries harder may change
    reveal     synthesis   features, reveals    shows inner features to the post stage
    align      Stages.align                     frames pictures before anything else
    layer      Stages.layered                   files may be cut after any layer

Parts of recipes have more, see `spec.adapter` and `attach` below.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

import numpy as np

from codectk.base.errors import ContractError
from codectk.base.types import Context

if TYPE_CHECKING:
    from codectk.spec.stages import LatentSpec, Stages

OPTIONAL = {
    "analysis": ("prepare", "finish", "outside", "distance", "refinement"),
    "synthesis": ("features", "reveals"),
    "post": ("attach",),
    "adapter": ("condition", "adds", "restores"),
}
"""What a stage may have beyond what its contract demands, by slot."""

_NEAR = 0.85
"""How alike two names must be (`difflib`) for one to be taken for a slip of the other."""


class SplitAnalysis(Protocol):
    """An analysis in two parts, so that a search for a file size runs the costly one once.

    When encoding, `prepare` and the conditioning stage never see the rate knob: it is absent from their `ctx.knobs`.
    `self(x, condition, ctx)` equals `self.finish(self.prepare(x, condition, ctx), ctx)`.
    """

    def prepare(self, x: Any, condition: Any, ctx: Context) -> Any:
        """Do all that does not depend on the rate knob."""
        ...

    def finish(self, prepared: Any, ctx: Context) -> Mapping[str, Any]:
        """Make the values for the rate knob in `ctx`."""
        ...


class JudgingAnalysis(SplitAnalysis, Protocol):
    """A split analysis that can tell whether a picture is of the kind that the codec was made for."""

    def outside(self, prepared: Any, ctx: Context) -> str | None:
        """Say why a picture lies outside the codec's domain.

        Called once when encoding, with what `prepare` made and its `ctx`. The sentence becomes a remark, or an
        error for who asked for that (`--strict-domain`).

        Returns:
            A sentence for a person, or None for a picture inside the domain.
        """
        ...


class ComparingAnalysis(SplitAnalysis, Protocol):
    """A split analysis that can tell how far a painted picture is from the one that it prepared.

    For `codectk encode --best-of`, which paints with several seeds and keeps the one with the smallest distance.
    """

    def distance(self, prepared: Any, painted: Any, ctx: Context) -> float:
        """How unlike two pictures are.

        Args:
            prepared: what `prepare` made of the original, see there.
            painted: a decoded picture just as `prepare` gets originals: in the codec's array world, RGB in [0, 1] in
                steps of 1/255, padded to the codec's stride.
            ctx: that of `prepare`.

        Returns:
            A finite number in any unit, smaller for a picture that is closer.
        """
        ...


class RevealingSynthesis(Protocol):
    """A synthesis that shows inner features to the post stage, such as the input of its last layer.

    `features` runs first; `self(latents, ctx)` then finds the features among the latents and finishes the picture. An
    optional attribute `last` is the module that does so.
    """

    reveals: tuple[LatentSpec, ...]

    def features(self, latents: Mapping[str, Any], ctx: Context) -> Mapping[str, Any]: ...


class Align(Protocol):
    """Frames a picture as its codec wants it, before anything else is done to it; `Stages.align`.

    The framed picture is the one that the file describes. `codectk encode --aligned` skips it.
    """

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Frame a picture.

        Args:
            pixels: uint8 (H, W, 3) RGB, upright.

        Returns:
            uint8 (h, w, 3) RGB of any size, or `pixels` itself.

        Raises:
            InputError: what the codec is for is not in the picture; one sentence.
        """
        ...


@dataclass(frozen=True)
class Refinement:
    """What an encoder that tries harder may change, an attribute `refinement` of the analysis.

    Attributes:
        moves: names of the values between analysis and entropy model that may be changed.
        distortion: weight by name of what is lowered beside the bits: {"mse": 1.0}, of pixels in 0..255.
        knobs: values of decoder-side knobs with which the picture is painted meanwhile; the others have their defaults.
        unlike: a further distortion, differentiable: painted picture and original, floating (1, 3, h, w) in [0, 1], to
            a number.
        side: pictures are compared as squares of so many pixels a side, and bits are counted for each of these; None
            for pictures as they are.
        rate: step size of Adam, in steps of quantization.
        precision: of what paints while gradients are taken, "float32" or "bfloat16"; what is compared in the end is
            painted as a decoder does.
        rounding: how values are drawn to whole numbers, "annealed" or, for few steps, "straight" (-through).
    """

    moves: tuple[str, ...]
    distortion: Mapping[str, float]
    knobs: Mapping[str, float | int] = field(default_factory=dict)
    unlike: Callable[[Any, Any], Any] | None = None
    side: int | None = None
    rate: float = 0.005
    precision: Literal["float32", "bfloat16"] = "float32"
    rounding: Literal["annealed", "straight"] = "annealed"


@dataclass(frozen=True)
class Capabilities:
    """What a codec can do beyond coding a picture: each field is what does it, or None where the codec cannot."""

    split: SplitAnalysis | None = None
    judge: JudgingAnalysis | None = None
    compare: ComparingAnalysis | None = None
    reveal: RevealingSynthesis | None = None
    align: Align | None = None
    refine: Refinement | None = None
    layer: bool = False


def capabilities(stages: Stages) -> Capabilities:
    """Find out what wired stages can do.

    Raises:
        ContractError: a stage offers half of an ability, or something whose name is a near miss.
    """
    owner = f"of codec '{stages.id}'"
    analysis: Any = stages.analysis
    synthesis: Any = stages.synthesis
    has = offered(analysis, "analysis", owner)
    if ("prepare" in has) != ("finish" in has):
        raise ContractError(f"The analysis {owner} offers only one of prepare and finish; it needs both.")
    for judges in ("outside", "distance"):
        if judges in has and "prepare" not in has:
            raise ContractError(f"The analysis {owner} offers {judges} without prepare, which it judges by.")
    refinement = has.get("refinement")
    if refinement is not None:
        _check_refinement(refinement, [spec.name for spec in analysis.produces], owner)
    return Capabilities(
        split=analysis if "prepare" in has else None,
        judge=analysis if "outside" in has else None,
        compare=analysis if "distance" in has else None,
        reveal=synthesis if "features" in offered(synthesis, "synthesis", owner) else None,
        align=stages.align,
        refine=refinement,
        layer=stages.layered,
    )


def offered(stage: Any, slot: str, owner: str = "") -> Mapping[str, Any]:
    """Of what a stage may have beyond its contract, what it has, by name.

    Args:
        stage: any object.
        slot: a key of OPTIONAL.
        owner: goes on in sentences after "The analysis ".

    Raises:
        ContractError: it has something that is none of these, but whose name is very close to one that it lacks.
    """
    found = {name: value for name in OPTIONAL[slot] if (value := getattr(stage, name, None)) is not None}
    lacking = [name for name in OPTIONAL[slot] if name not in found]
    for name in _own_names(stage):
        if name not in OPTIONAL[slot] and (close := difflib.get_close_matches(name, lacking, 1, _NEAR)):
            raise ContractError(
                f"The {slot} {owner or type(stage).__name__} has '{name}', which means nothing here; "
                f"did you mean '{close[0]}'?"
            )
    return found


def _own_names(stage: Any) -> Sequence[str]:
    """Public names that a stage's author gave it; torch's own modules have many that are nobody's slip."""
    classes = [kind for kind in type(stage).__mro__ if kind.__module__.split(".")[0] not in ("torch", "builtins")]
    names = [*getattr(stage, "__dict__", ()), *(name for kind in classes for name in vars(kind))]
    return [name for name in dict.fromkeys(names) if not name.startswith("_")]


def _check_refinement(refinement: object, made: Sequence[str], owner: str) -> None:
    if not isinstance(refinement, Refinement):
        raise ContractError(f"The analysis {owner} has a refinement that is a {type(refinement).__name__}.")
    for name in refinement.moves:
        if name not in made:
            raise ContractError(
                f"The refinement {owner} moves '{name}', but its analysis makes {', '.join(made) or 'nothing'}."
            )
