"""What the heads learn from a painted face, whose codes are known exactly.

codes     regress styles; code them with as few bits as their errors are worth
pictures  the same, and the generator's features, where errors are seen as the picture would show them; pictures
          themselves would cost ten times as much
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from codectk.base.errors import InputError
from codectk.base.types import Context
from codectk.nn.coders import Meter
from codectk.programs.configurations import check_options
from codectk.spec.training import Batch, Lesson
from codectk_hsc.encoding import Inverted
from codectk_hsc.generators.interface import reduced
from codectk_hsc.network import Network
from codectk_hsc.program import CORE, LAYERS, RESIDUAL
from codectk_hsc.training.degrade import degrade
from codectk_hsc.training.faces import draw_styles

STYLE_WORTH = 24.0
"""Bits that one unit of squared error of a style code (mean over slots) is worth; W has 100 units of variance."""

STYLE_BITS = 500.0
"""What brings the cost of the core code to the size of the other losses."""

CODED = 2
"""Every how manieth face of a batch is coded; integer layers cost more than the inversion does."""

BEHIND, SEEN = 64, 4
"""Resolution of the features that are compared, and how many faces of a batch are."""

COARSER, PAINTED = (1, 8, 32), 2.0
"""Factors by which a picture is reduced, and the weight of its errors."""


def codes(options: Mapping[str, Any]) -> Lesson:
    """Styles of painted faces, and their coding.

    Raises:
        UsageError: there are options, of which it has none.
    """
    check_options("hsc.codes", options)
    return partial(_taught, with_pictures=False)


def pictures(options: Mapping[str, Any]) -> Lesson:
    """The same, and what the generator makes of them.

    Raises:
        UsageError: there are options, of which it has none.
    """
    check_options("hsc.pictures", options)
    return partial(_taught, with_pictures=True)


def _taught(network: Network, batch: Batch, with_pictures: bool) -> Mapping[str, Tensor]:
    """Losses of one step; the files are those of `codectk_hsc.training.render`.

    Raises:
        InputError: a file is not named by its face's number.
    """
    truth = _truth(network, batch.files)
    found = network.analysis.invert(degrade(batch.pictures))
    terms = {"styles": _inversion_error(network, found, truth)}
    found, truth = Inverted(*(value[::CODED] for value in found)), truth[::CODED]
    meter = Meter(batch.noise[::CODED])
    values = {CORE: found.core, RESIDUAL: found.residual, LAYERS: 0}
    latents = network.entropy_model.code(meter, values, Context(network.config.side, network.config.side))
    styles = network.synthesis.styles(latents[CORE])
    bits, style_error = torch.as_tensor(meter.bits).mean(), _style_error(network, styles, truth)
    terms["core"] = (bits + STYLE_WORTH * style_error) / STYLE_BITS
    if with_pictures:
        seen = network.synthesis.basis.styles(found.coordinates)
        terms |= _behind(network, truth, {"behind_core": styles, "behind": seen})
        terms |= _painted(network, batch.pictures[:1], styles if torch.rand(()) < 0.5 else seen)
    return terms | {"~core_bits": bits, "~style_error": style_error}


@torch.no_grad()
def _truth(network: Network, files: Sequence[Path]) -> Tensor:
    try:
        numbers = [int(file.stem) for file in files]
    except ValueError as error:
        raise InputError(f"Faces to train on are files named by number, such as 000123.jpg: {error}.") from error
    return torch.stack([draw_styles(network.synthesis.generator, number) for number in numbers])


def _painted(network: Network, picture: Tensor, styles: Tensor) -> dict[str, Tensor]:
    """Mean absolute error of the first face's picture, from fine to coarse."""
    generator = network.synthesis.generator
    side = min(picture.shape[-1], generator.size)
    error = generator.picture(styles[:1], side).float() - reduced(picture, side)
    scales = [F.avg_pool2d(error, factor).abs().mean() for factor in COARSER]
    return {"painted": PAINTED * torch.stack(scales).sum()}


def _inversion_error(network: Network, found: Inverted, truth: Tensor) -> Tensor:
    """How far the encoder's own answers are from the truth, whatever is coded."""
    basis = network.synthesis.basis
    error = found.coordinates - basis.coordinates(truth)
    raw = (error * basis.deviation).square().sum(2).mean() / basis.deviation.square().sum()
    return raw + 0.05 * error.square().mean()


def _style_error(network: Network, styles: Tensor, truth: Tensor) -> Tensor:
    """Squared distance in the span of the components, mean over slots."""
    basis = network.synthesis.basis
    difference = basis.coordinates(styles) - basis.coordinates(truth)
    return (difference * basis.deviation).square().sum(2).mean()


def _behind(network: Network, truth: Tensor, made: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Relative squared error of the generator's later feature for a part of the batch."""
    generator = network.synthesis.generator
    cut = min(BEHIND, max(generator.channels))
    with torch.no_grad():
        target = generator.low(truth[:SEEN], cut).float()
        spread = target.square().mean((0, 2, 3), keepdim=True)
    return {
        name: ((generator.low(styles[:SEEN], cut).float() - target).square() / spread).mean()
        for name, styles in made.items()
    }
