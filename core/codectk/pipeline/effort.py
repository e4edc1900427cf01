"""How hard an encoder tries, and for which parts of a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from codectk.base.errors import UsageError
from codectk.base.progress import report
from codectk.base.types import Picture
from codectk.picture.convert import floats
from codectk.pipeline import program, sources
from codectk.spec.card import resolve_knobs
from codectk.spec.knob import Number

if TYPE_CHECKING:
    from codectk.pipeline.codec import Codec
    from codectk.pipeline.encode import Encoding
    from codectk.pipeline.pieces import Piece

STEPS = (0, 10, 20, 35, 50, 75, 100, 150, 300, 600)
"""Steps of gradients by effort; each takes about as long as encoding and decoding three times."""

LEAST = 0.05
"""What an error counts where nothing is important: what nobody minds would otherwise be anything."""


def weights(importance: Picture, picture: Picture) -> np.ndarray:
    """How much an error counts at each pixel: float32 (H, W), mean 1.

    Raises:
        UsageError: the two are not of one size.
    """
    if importance.pixels.shape != picture.pixels.shape:
        raise UsageError(
            f"The picture of what is important has {importance.width}x{importance.height} pixels, "
            f"the picture itself {picture.width}x{picture.height}."
        )
    counts = np.maximum(floats(importance).mean(2), LEAST)
    scaled: np.ndarray = (counts / counts.mean()).astype(np.float32)
    return scaled


def check(codec: Codec, effort: object, importance: object) -> tuple[int, Picture | None]:
    """Refuse what cannot be done before a picture is prepared, and read the one that says what is important.

    Args:
        codec: that encodes.
        effort: 0 to 9; None for what the codec's card says, where the codec can.
        importance: a picture, or None.

    Returns:
        The effort, and the picture of what is important.

    Raises:
        InputError: it cannot be read.
        UsageError: no such effort, importance without effort, or a codec that does not say what may be moved.
    """
    if effort is None:
        effort = codec.card.effort if codec.stages.can.refine is not None else 0
    if type(effort) is not int or not 0 <= effort < len(STEPS):
        raise UsageError(f"effort must be a whole number from 0 to {len(STEPS) - 1}, not {effort!r}.")
    if importance is not None and effort == 0:
        raise UsageError("What is important has a meaning only together with an effort of 1 or more.")
    if effort and codec.stages.can.refine is None:
        where = "" if codec.engine == "torch" else f" with engine '{codec.engine}'"
        raise UsageError(f"Codec '{codec.name}' cannot try harder than it does{where}.")
    return effort, None if importance is None else sources.pictures(importance)[0][0]


def refined(
    encoding: Encoding, piece: Piece, values: Mapping[str, Any], coded: Mapping[str, Number]
) -> Sequence[bytes]:
    """The best payloads that effort finds for a picture or a tile, by what they take and what a decoder makes of them.

    Args:
        encoding: the picture.
        piece: of it.
        values: what the analysis made of the piece.
        coded: the knobs that the file carries.
    """
    from codectk.nn.refine import Refiner

    codec, box, steps = encoding.codec, piece.box, STEPS[encoding.effort]
    stages, rows, columns = codec.stages, slice(box.y, box.bottom), slice(box.x, box.right)
    wanted = stages.can.refine
    assert wanted is not None
    coding = replace(piece.ctx, knobs=coded)
    painting = replace(piece.ctx, knobs={**resolve_knobs(codec.card, {}, "decoder"), **coded, **wanted.knobs})
    if wanted.side is not None:
        painting = replace(painting, height=wanted.side, width=wanted.side)
    refiner = Refiner(
        wanted,
        lambda meter, moved: program.code(stages, meter, moved, coding),
        lambda latents: program.synthesize(stages, latents, painting),
        stages.backend.batch(floats(encoding.picture, rows, columns)[None]),
        _factor(codec, coded),
        None if encoding.importance is None else encoding.importance[rows, columns],
    )
    before, tiles = encoding.boxes.index(box), len(encoding.boxes)

    def cost(made: tuple[Sequence[bytes], Mapping[str, Any]]) -> float:
        with stages.backend.guard():
            return refiner.cost(8 * sum(map(len, made[0])), made[1])

    best = encoding.written(piece, values, coded)
    lowest = cost(best)
    for moved in refiner.candidates(values, steps, lambda done: report(before * steps + done, tiles * steps)):
        # Of real payloads: what is found with soft rounding may be worth nothing after the hard one.
        made = encoding.written(piece, moved, coded)
        if (paid := cost(made)) < lowest:
            best, lowest = made, paid
    return best[0]


def _factor(codec: Codec, coded: Mapping[str, Number]) -> float:
    """What a unit of distortion is worth in bits per pixel, as in the training of the weights.

    Raises:
        UsageError: the weights do not say how bits and errors were weighed.
    """
    import torch

    from codectk.nn.tradeoff import multiplier

    loss = codec.stages.training.get("loss")
    if not isinstance(loss, Mapping):
        raise UsageError(
            f"The weights of codec '{codec.name}' do not say how bits and errors were weighed in their training, so "
            "there is nothing to try harder for."
        )
    told = {name: float(loss[name]) for name in ("low", "high", "top", "knee") if name in loss}
    return float(multiplier(torch.tensor(float(coded.get("quality", 50))), **told))
