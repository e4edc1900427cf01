"""Contracts between stages, checked when a codec is wired and before anything runs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from codectk.base.errors import BitstreamError, ContractError
from codectk.bitstream.codecs import check_codec
from codectk.bitstream.knobs import CODED_KNOBS
from codectk.spec.card import CodecCard
from codectk.spec.stages import LatentSpec, Stages

_HASH = re.compile(r"(?:[0-9a-f]{64})?")


def check(codec: Stages) -> None:
    """Check that the stages of `codec` fit together.

    Every latent that a stage needs must be made by the stage before it with the same channels, stride and kind,
    and every spatial latent must divide the codec's stride.

    Raises:
        ContractError: a stage lacks a method or a declaration, or two stages do not fit; the sentence names both.
    """
    _check_identity(codec)
    _callable(codec, "analysis", "__call__")
    _callable(codec, "entropy_model", "code")
    _callable(codec, "synthesis", "__call__")
    for method in ("from_pixels", "to_pixels", "to_numpy", "batch", "guard", "meter"):
        _callable(codec, "backend", method)
    for optional in ("conditioning", "post"):
        if getattr(codec, optional) is not None:
            _callable(codec, optional, "__call__")
    if codec.align is not None:
        _callable(codec, "align", "__call__")

    produced = _declared(codec, "analysis", "produces")
    given = _declared(codec, "entropy_model", "gives")
    _fit(codec, "analysis", produced, "entropy model", _declared(codec, "entropy_model", "needs"))
    _fit(codec, "entropy model", given, "synthesis", _declared(codec, "synthesis", "needs"))
    reveals = codec.can.reveal is not None
    revealed = _declared(codec, "synthesis", "reveals") if reveals else ()
    if codec.post is not None:
        _fit(codec, "decoder side", (*given, *revealed), "post stage", _declared(codec, "post", "needs"))
    for spec in (*produced, *given, *revealed):
        if spec.stride is not None and codec.stride % spec.stride:
            raise ContractError(
                f"Codec '{codec.id}' has stride {codec.stride}, "
                f"which is not a multiple of stride {spec.stride} of its latent '{spec.name}'."
            )


def check_card(codec: Stages, card: CodecCard) -> None:
    """Check that a codec is what its card promised, and that the file format can carry its coded knobs.

    Raises:
        ContractError: they differ in id or stride, a coded knob has no place in the file, or the codec leaves out a
            knob that the card does not have.
    """
    if codec.id != card.name:
        raise ContractError(f"The plugin was asked for codec '{card.name}' and built codec '{codec.id}'.")
    if codec.stride != card.stride:
        raise ContractError(
            f"Codec '{codec.id}' was built with stride {codec.stride}, but its card says {card.stride}."
        )
    for name in sorted(codec.without_knobs - set(card.knobs)):
        raise ContractError(f"Codec '{codec.id}' leaves out knob '{name}', which its card does not have.")
    for knob in card.knobs.values():
        if knob.coded and knob.name not in CODED_KNOBS:
            raise ContractError(
                f"The card of codec '{codec.id}' says that knob '{knob.name}' is coded, "
                f"but files can carry only {', '.join(CODED_KNOBS)}."
            )


def check_needs(codec: Stages, taker: str, needs: Sequence[LatentSpec]) -> None:
    """Check that the entropy model of a checked codec gives what something outside of it needs.

    Args:
        codec: see `check`.
        taker: what it is called in the sentence.
        needs: the latents it declares.

    Raises:
        ContractError: the codec has no such latents.
    """
    _fit(codec, "entropy model", tuple(codec.entropy_model.gives), taker, needs)


def _check_identity(codec: Stages) -> None:
    try:
        check_codec(codec.id.encode())
    except (AttributeError, BitstreamError) as error:
        raise ContractError(f"{codec.id!r} cannot be a codec's id: {error}") from error
    if not _is_positive(codec.stride):
        raise ContractError(f"Codec '{codec.id}' has stride {codec.stride!r}, which is not a positive integer.")
    if not isinstance(codec.weights_hash, str) or not _HASH.fullmatch(codec.weights_hash):
        raise ContractError(f"Codec '{codec.id}' has weights hash {codec.weights_hash!r}, which is not a hex sha256.")


def _callable(codec: Stages, stage: str, method: str) -> None:
    if not callable(getattr(getattr(codec, stage), method, None)):
        raise ContractError(f"The {stage.replace('_', ' ')} of codec '{codec.id}' has no method {method}.")


def _declared(codec: Stages, stage: str, attribute: str) -> Sequence[LatentSpec]:
    """The latents a stage declares, each checked, names unique."""
    owner = f"The {stage.replace('_', ' ')} of codec '{codec.id}'"
    specs = getattr(getattr(codec, stage), attribute, None)
    if not isinstance(specs, Iterable):
        raise ContractError(f"{owner} does not declare what it {attribute}.")
    found = tuple(specs)
    for spec in found:
        if not isinstance(spec, LatentSpec):
            raise ContractError(f"{owner} lists {spec!r} under {attribute}, which is not a LatentSpec.")
        for number in (spec.channels, spec.stride):
            if number is not None and not _is_positive(number):
                raise ContractError(f"{owner} declares latent '{spec.name}' with {number!r} channels or stride.")
    names = [spec.name for spec in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ContractError(f"{owner} declares latent '{twice[0]}' twice.")
    return found


def misfit(given: Iterable[LatentSpec], needed: Iterable[LatentSpec]) -> tuple[LatentSpec, LatentSpec | None] | None:
    """The first latent that is needed and not given so: what is needed, and what is given under its name, or None."""
    by_name = {spec.name: spec for spec in given}
    for need in needed:
        have = by_name.get(need.name)
        if have is None or differing(need, have):
            return need, have
    return None


def differing(need: LatentSpec, have: LatentSpec) -> list[str]:
    """In what two declarations of a latent differ; a number of channels that is left open differs from none."""
    free = {"channels"} if None in (need.channels, have.channels) else set()
    return [what for what in ("channels", "stride", "kind") if getattr(have, what) != getattr(need, what)
            and what not in free]  # fmt: skip


def _fit(codec: Stages, giver: str, given: Sequence[LatentSpec], taker: str, needed: Sequence[LatentSpec]) -> None:
    if (found := misfit(given, needed)) is None:
        return
    need, have = found
    if have is None:
        raise ContractError(
            f"The {taker} of codec '{codec.id}' needs latent '{need.name}', "
            f"but the {giver} gives {', '.join(sorted(spec.name for spec in given)) or 'nothing'}."
        )
    what = differing(need, have)[0]
    raise ContractError(
        f"Latent '{need.name}' of codec '{codec.id}': the {taker} needs {what} {getattr(need, what)}, "
        f"but the {giver} gives {what} {getattr(have, what)}."
    )


def _is_positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0
