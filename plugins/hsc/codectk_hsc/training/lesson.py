"""What the heads learn from a painted face, whose codes and feature are known exactly.

codes     regress styles and feature; code both with as few bits as their errors are worth
pictures  the same, and the generator's features behind the cut, where errors are seen as the picture would show
          them; pictures themselves would cost ten times as much
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
from codectk_hsc.decoding import Face
from codectk_hsc.encoding import Inverted
from codectk_hsc.generators.interface import reduced
from codectk_hsc.network import Network
from codectk_hsc.program import CORE, FEATURE, LAYERS
from codectk_hsc.training.degrade import degrade
from codectk_hsc.training.faces import draw_styles

STYLE_WORTH = 24.0
"""Bits that one unit of squared error of a style code (mean over slots) is worth; W has 100 units of variance."""

FEATURE_WORTH = 6.0
"""Bits that one squared deviation of one value of the feature is worth."""

STYLE_BITS, FEATURE_BITS = 500.0, 3e5
"""What brings the costs of core code and slices to the size of the other losses."""

CODED = 2
"""Every how manieth face of a batch is coded; integer layers cost more than the inversion does."""

BEHIND, SEEN = 4, 4
"""How many times the cut's resolution the later features have, and how many faces of a batch are taken there."""

COARSER, PAINTED = (1, 8, 32), 2.0
"""Factors by which a picture is reduced, and the weight of its errors."""


def codes(options: Mapping[str, Any]) -> Lesson:
    """Styles and feature of painted faces, and their coding.

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
    network.analysis.domain.observe(found.y)
    terms = _inversion(network, found, truth)
    found, truth = Inverted(*(value[::CODED] for value in found)), Face(*(value[::CODED] for value in truth))
    meter = Meter(batch.noise[::CODED])
    layers = _layers(len(network.config.slices))
    values = {CORE: found.core, FEATURE: found.y, LAYERS: layers}
    latents = network.entropy_model.code(meter, values, Context(network.config.side, network.config.side))
    styled = network.synthesis.styled(latents[CORE])
    restored = network.synthesis.restored(styled, latents[FEATURE])
    bits = [torch.as_tensor(part).mean() for part in meter.by_layer]
    style_error = _style_error(network, styled.styles, truth.styles)
    feature_error = _feature_error(network, restored.feature, truth.feature)
    values_of_feature = truth.feature[0].numel()
    terms["core"] = (bits[0] + STYLE_WORTH * style_error) / STYLE_BITS
    terms["slices"] = (sum(bits[1:]) + FEATURE_WORTH * values_of_feature * feature_error) / FEATURE_BITS
    if with_pictures:
        terms |= _behind(network, truth, styled, restored)
        terms |= _painted(network, batch.pictures[:1], styled, restored)
    terms["~core_bits"] = bits[0]
    terms["~style_error"] = style_error
    if layers == len(network.config.slices):
        terms["~slice_bits"] = torch.stack(bits[1:]).sum()
        terms["~slice_error"] = feature_error
    return terms


@torch.no_grad()
def _truth(network: Network, files: Sequence[Path]) -> Face:
    generator = network.synthesis.generator
    try:
        numbers = [int(file.stem) for file in files]
    except ValueError as error:
        raise InputError(f"Faces to train on are files named by number, such as 000123.jpg: {error}.") from error
    styles = torch.stack([draw_styles(generator, number) for number in numbers])
    return Face(styles, generator.low(styles, network.config.cut).float())


def _layers(slices: int) -> int:
    """How many slices are sent in this step: all in half of the steps, none in a quarter, else any number."""
    kind, number = torch.rand(()).item(), int(torch.randint(1, slices, ()))
    return slices if kind < 0.5 else 0 if kind < 0.75 else number


def _painted(network: Network, picture: Tensor, styled: Face, restored: Face) -> dict[str, Tensor]:
    """Mean absolute error of the first face's picture, from fine to coarse: of the styles alone or of all, by turns."""
    face = styled if torch.rand(()) < 0.5 else restored
    generator = network.synthesis.generator
    side = min(picture.shape[-1], generator.size)
    made = generator.high(face.feature[:1], face.styles[:1], side).float()
    error = made - reduced(picture, side)
    scales = [F.avg_pool2d(error, factor).abs().mean() for factor in COARSER]
    return {"painted": PAINTED * torch.stack(scales).sum()}


def _inversion(network: Network, found: Inverted, truth: Face) -> dict[str, Tensor]:
    """How far the encoder's own answers are from the truth, whatever is coded."""
    basis = network.synthesis.basis
    error = found.coordinates - basis.coordinates(truth.styles)
    raw = (error * basis.deviation).square().sum(2).mean() / basis.deviation.square().sum()
    feature = _feature_error(network, found.feature, truth.feature)
    return {"styles": raw + 0.05 * error.square().mean(), "feature": feature}


def _style_error(network: Network, styles: Tensor, truth: Tensor) -> Tensor:
    """Squared distance in the span of the components, mean over slots."""
    basis = network.synthesis.basis
    difference = basis.coordinates(styles) - basis.coordinates(truth)
    return (difference * basis.deviation).square().sum(2).mean()


def _feature_error(network: Network, feature: Tensor, truth: Tensor) -> Tensor:
    return network.synthesis.basis.relative(feature.float(), truth).square().mean()


def _behind(network: Network, truth: Face, styled: Face, restored: Face) -> dict[str, Tensor]:
    """Relative squared error of the later feature for a part of the batch: of the styles alone, and of all."""
    generator = network.synthesis.generator
    cut = min(BEHIND * network.config.cut, max(generator.channels))
    some = Face(*(value[:SEEN] for value in truth))
    with torch.no_grad():
        target = generator.onward(some.feature, some.styles, cut).float()
        spread = target.square().mean((0, 2, 3), keepdim=True)
    terms = {}
    for name, face in (("behind_core", styled), ("behind", restored)):
        made = generator.onward(face.feature[:SEEN], face.styles[:SEEN], cut).float()
        terms[name] = ((made - target).square() / spread).mean()
    return terms
