"""What a training is worth on pictures that it does not see: coded as its export would code them."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk.coding.coder import Meter
from codectk.nn.storage import install, to_arrays
from codectk.picture.convert import to_float, to_uint8
from codectk.picture.pad import crop, pad
from codectk.picture.read import read_picture
from codectk.pipeline.program import forward
from codectk.spec.card import CodecCard
from codectk.train.data import list_pictures
from codectk.train.losses import RateDistortion
from codectk.train.network import card_of, knob_values
from codectk.train.settings import Recipe

MIDDLE = 50.0
"""The quality whose lambda holds for a codec without that knob."""


@dataclass(frozen=True)
class Rating:
    """Means over the kept-out pictures, at one quality or over all.

    Attributes:
        quality: None for the mean over all.
        loss: as in training, without a discriminator's part.
        bpp: bits of the coded latents per pixel of the picture, by the exported integer tables.
        psnr: dB, of the pictures as a decoder writes them (8 bits).
    """

    quality: float | None
    loss: float
    bpp: float
    psnr: float

    def row(self) -> dict[str, float]:
        return {"loss": self.loss, "bpp": self.bpp, "psnr": self.psnr}


class Validation:
    """Kept-out pictures and what measures on them. The same weights always give the same numbers.

    Args:
        recipe: its section [validation] names the pictures, [loss] the loss.
        card: of the codec in training.
        knobs: values of its knobs other than quality.
        device: where to compute.

    Raises:
        InputError: there is no picture, or one cannot be read.
        UsageError: a quality is out of the knob's range, or a picture is too small for the loss.
    """

    def __init__(
        self,
        recipe: Recipe,
        card: CodecCard,
        knobs: Mapping[str, float | int],
        network: nn.Module,
        weights: Mapping[str, Tensor],
        device: torch.device,
    ):
        self.network, self.weights = network, weights
        section = recipe.validation
        self.pictures = [_central(read_picture(file).pixels, section.crop) for file in list_pictures(section.paths)]
        self.every, self.device = section.every, device
        self.loss = RateDistortion(recipe.loss, min(min(p.shape[:2]) for p in self.pictures), device)
        self.settings: list[tuple[float, Mapping[str, float | int]]] = [(MIDDLE, knobs)]
        if knob := card.knobs.get("quality"):
            if not section.qualities:
                raise UsageError("validation.qualities is empty.")
            chosen = [knob.convert(quality) for quality in section.qualities]
            self.settings = [(float(quality), {**knobs, "quality": quality}) for quality in chosen]

    def due(self, step: int, last: int) -> bool:
        """Whether to measure after `step` steps of `last`."""
        return step > 0 and (step % self.every == 0 or step == last)

    @torch.no_grad()
    def measure(self) -> tuple[Rating, list[Rating]]:
        """The mean rating, and one for each quality.

        Raises:
            WeightsError: such weights cannot be exported, as when they are not finite.
        """
        exported = copy.deepcopy(self.network)
        exported.load_state_dict(self.weights)
        install(exported, to_arrays(exported))
        codec = exported.codec("", str(self.device))  # type: ignore[operator]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # for a synthesis that draws
            by_quality = [_mean(quality, [self._rate(codec, p, quality, k) for p in self.pictures])
                          for quality, k in self.settings]  # fmt: skip
        return _mean(None, by_quality), by_quality

    def _rate(self, codec: Any, pixels: np.ndarray, quality: float, knobs: Mapping[str, float | int]) -> Rating:
        height, width = pixels.shape[:2]
        padded = pad(to_float(pixels), codec.stride)
        meter = Meter()
        context = Context(padded.shape[0], padded.shape[1], knobs)
        made = forward(codec, codec.backend.from_pixels(padded), meter, context)
        decoded = to_float(to_uint8(crop(codec.backend.to_pixels(made.x), height, width)))
        bpp = meter.bits / (height * width)
        mse = float(np.square(decoded.astype(np.float64) - to_float(pixels)).mean())
        x, target = (torch.from_numpy(p).permute(2, 0, 1)[None].to(self.device) for p in (decoded, to_float(pixels)))
        loss = self.loss(
            x, target, torch.tensor([bpp], device=self.device), torch.tensor([quality], device=self.device)
        )
        return Rating(quality, float(loss), bpp, -10 * float(np.log10(mse + 1e-10)))


def validation_of(
    recipe: Recipe, network: nn.Module, weights: Mapping[str, Tensor], device: torch.device
) -> Validation:
    """What measures a network in training on the pictures of a recipe; the other arguments are those of `Validation`.

    Raises:
        InputError, UsageError: as `Validation`.
        PluginError: there is no such codec.
    """
    card = card_of(recipe)
    return Validation(recipe, card, knob_values(recipe.stage, card), network, weights, device)


def _mean(quality: float | None, ratings: Sequence[Rating]) -> Rating:
    means = {key: float(np.mean([rating.row()[key] for rating in ratings])) for key in ("loss", "bpp", "psnr")}
    return Rating(quality, **means)


def _central(pixels: np.ndarray, side: int) -> np.ndarray:
    """The middle of a picture, at most `side` pixels a side; 0 for all of it."""
    if side == 0:
        return pixels
    top, left = (max(0, (size - side) // 2) for size in pixels.shape[:2])
    return pixels[top : top + side, left : left + side]
