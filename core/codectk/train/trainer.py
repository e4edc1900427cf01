"""Training of a codec, alone or against a discriminator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.coders import Meter
from codectk.pipeline import wire
from codectk.pipeline.program import forward
from codectk.train import draws
from codectk.train.adversary import Adversary
from codectk.train.data import Crops
from codectk.train.labels import LabelMaps
from codectk.train.learner import Learner
from codectk.train.losses import RateDistortion
from codectk.train.recipe import Recipe
from codectk.train.scale import World
from codectk.train.steps import Measured


class Pictures(NamedTuple):
    """What the discriminator is shown: pictures, what the codec made of them, and what both are judged by."""

    real: Tensor
    fake: Tensor
    labels: Tensor | None
    latents: dict[str, Tensor]


class Trainer(Learner):
    """Trains a network for rate and distortion.

    Args:
        recipe, network, crops, labels, world, device: as for `Learner`.
        knobs: values of the codec's knobs other than quality.
        discriminator: what it is trained against, or None.

    Raises:
        As `Learner`.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        crops: Crops,
        labels: LabelMaps | None,
        knobs: Mapping[str, float | int],
        world: World,
        device: torch.device,
        discriminator: nn.Module | None = None,
    ):
        super().__init__(recipe, network, crops, labels, world, device)
        self.knobs = knobs
        self.loss = RateDistortion(recipe.loss, recipe.data.crop, device)
        self.adversary: Adversary | None = None
        if discriminator is not None:
            wire.check_needs(self.codec, "discriminator", discriminator.needs)  # type: ignore[arg-type]
            self.adversary = Adversary(discriminator, recipe, device, self._autocast)
            self.descents = [*self.descents, self.adversary.descent]

    def _backward(self) -> dict[str, Tensor]:
        (loss, row), shown = self._measure()
        self.descent.backward(loss)
        if self.adversary is not None:
            # Before any weight changes, so that a step is taken whole or not at all.
            measured = self.adversary.measure(*shown, self.step)
            self.adversary.descent.backward(measured.loss)
            row |= measured.row
        return row

    def _measure(self) -> tuple[Measured, Pictures]:
        """The codec's forward pass over this process's share, and what the discriminator is to be shown of it."""
        o, d = self.recipe.optim, self.recipe.data
        x = self._pictures()
        qualities = [draws.quality(o.seed, self.step, sample, d.batch) for sample in self.share]
        quality = torch.tensor(qualities, dtype=torch.float32, device=self.device)
        meter = Meter([draws.noise(o.seed, self.step, sample) for sample in self.share])
        draws.seed_shared(o.seed, self.step)
        context = Context(d.crop, d.crop, {**self.knobs, "quality": quality})  # type: ignore[dict-item]
        with self._autocast():
            made = forward(self.codec, x, meter, context)
        decoded = made.x.float()
        area = d.crop * d.crop
        bpp = torch.as_tensor(meter.bits, device=self.device).expand(len(self.share)) / area
        latents = {name: made.latents[name].detach() for name in self.adversary.needs} if self.adversary else {}
        shown = Pictures(x, decoded, self._label_maps(), latents)
        adversarial: dict[str, Tensor] = {}
        further = None
        if self.adversary is not None and self.adversary.weight > 0:
            verdict = self.adversary.judge(decoded, shown.labels, latents, self.step)
            adversarial["adv"] = verdict.detach().mean()
            further = self.adversary.weight * verdict
        loss = self.loss(decoded, x, bpp, quality, further).mean()
        mse = (decoded.detach().clamp(0, 1) - x).square().mean((1, 2, 3))
        row = {
            "loss": loss.detach(),
            "bpp": bpp.detach().mean(),
            "psnr": (-10 * torch.log10(mse + 1e-10)).mean(),
            **{f"bpp_{k}": torch.tensor(bits / area, device=self.device) for k, bits in meter.by_label.items()},
            **adversarial,
        }
        return Measured(loss, row), shown

    def _suspects(self) -> tuple[nn.Module, Callable[[], Tensor]]:
        if (adversary := self.adversary) is None:
            return self.network, lambda: self._measure()[0].loss

        def both() -> Tensor:
            (loss, _), shown = self._measure()
            return loss + adversary.measure(*shown, self.step).loss

        return nn.ModuleDict({"codec": self.network, "discriminator": adversary.module}), both

    def _state(self) -> dict[str, Any]:
        state = super()._state()
        return state if self.adversary is None else {**state, "discriminator": self.adversary.state()}

    def _load(self, state: Mapping[str, Any], saved: Recipe) -> None:
        super()._load(state, saved)
        if ("discriminator" in state) != (self.adversary is not None):
            raise ValueError("one of the two runs has a discriminator, the other one has not")
        if self.adversary is not None:
            self.adversary.load(state["discriminator"])
