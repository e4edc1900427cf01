"""One step of training, and the state that a checkpoint holds.

A step is a function of (recipe, step number, weights) alone, so a resumed run repeats an uninterrupted one exactly
(on the same machine, device and number of threads), and several processes take the same step as one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from codectk.base.errors import TrainingError, UsageError
from codectk.base.types import Context
from codectk.nn.coders import Meter
from codectk.pipeline import wire
from codectk.pipeline.stages import forward
from codectk.train import draws
from codectk.train.average import Average
from codectk.train.data import Crops
from codectk.train.finite import culprit
from codectk.train.losses import RateDistortion
from codectk.train.moments import reordered
from codectk.train.recipe import OptimSection, Recipe, from_dict
from codectk.train.scale import World


class Measured(NamedTuple):
    """What a forward pass gave: the loss to descend, and the means to log by name."""

    loss: Tensor
    row: dict[str, Tensor]


def learning_rate(section: OptimSection, step: int) -> float:
    """Rate of step number `step` (from 0): linear warm-up, constant, linear decay."""
    warm = min(1.0, (step + 1) / max(1, section.warmup))
    left = min(1.0, (section.steps - step) / max(1, section.decay))
    return section.lr_final + (section.lr * warm - section.lr_final) * left


class Trainer:
    """Trains a network that wires its stages into a codec (`network.codec()`).

    Args:
        recipe: everything that decides the result.
        network: the module to train.
        crops: training data.
        knobs: values of the codec's knobs other than quality.
        world: place among processes.
        device: where to compute.

    Attributes:
        step: steps done.

    Raises:
        UsageError: the recipe does not fit the codec, the data or the number of processes.
        ContractError: the stages do not fit together.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        crops: Crops,
        knobs: Mapping[str, float | int],
        world: World,
        device: torch.device,
    ):
        self.recipe, self.crops, self.knobs, self.world, self.device = recipe, crops, knobs, world, device
        self.share = world.share(recipe.data.batch)
        self.network = network.to(device=device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.codec = network.codec()  # type: ignore[operator]
        wire.check(self.codec)
        if recipe.data.crop % self.codec.stride:
            raise UsageError(f"Crops for {self.codec.id} must be multiples of {self.codec.stride} pixels.")
        self.loss = RateDistortion(recipe.loss, recipe.data.crop, device)
        fused = device.type in ("cpu", "cuda")
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=recipe.optim.lr, fused=fused)
        self.average = Average(self.network, recipe.optim.ema)
        self.step = 0

    def train_step(self, stop: Callable[[], bool] = lambda: False) -> tuple[dict[str, float], bool]:
        """One optimizer step over this process's share of the global batch.

        Args:
            stop: whether this process wants to stop; asked late, after the forward and backward pass.

        Returns:
            Means over the global batch (loss, bpp, psnr, gradient norm, bpp by label), and whether any process
            wants to stop; both are the same in all processes.

        Raises:
            TrainingError: a loss or a gradient is not finite; the weights are as before the step.
        """
        loss, row = self._measure()
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [p.grad for p in self.network.parameters() if p.grad is not None]
        means = torch.stack([*row.values(), torch.tensor(float(stop()), device=self.device)])
        self.world.average([*gradients, means])
        norm = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        *values, wishes, grad = torch.cat([means, norm.reshape(1)]).tolist()
        logged = {**dict(zip(row, values, strict=True)), "grad": grad}
        self._check(logged)
        torch._foreach_mul_(gradients, (self.recipe.optim.clip / (norm + 1e-6)).clamp(max=1.0))
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.recipe.optim, self.step)
        self.optimizer.step()
        self.average.update(self.network)
        self.step += 1
        return logged, wishes > 0

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on from here; tensors are not copied."""
        return {
            "step": self.step,
            "network": self.network.state_dict(),
            "ema": self.average.state(),
            "optimizer": self.optimizer.state_dict(),
            "recipe": self.recipe.as_dict(),
            "data": self.crops.digest,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint.

        Raises:
            TrainingError: it was made for another network.
        """
        if from_dict(state["recipe"]).codec != self.recipe.codec:
            raise TrainingError("The checkpoint was made for another network than this recipe's.")
        try:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(reordered(state["optimizer"], state["network"], self.network))
            self.average.load(state["ema"])
        except (RuntimeError, ValueError, KeyError) as error:
            reason = " ".join(str(error).split())
            raise TrainingError(f"The checkpoint does not fit the network: {reason}") from error
        self.step = state["step"]

    def _measure(self) -> Measured:
        """The step's forward pass over this process's share."""
        o, d = self.recipe.optim, self.recipe.data
        pixels = np.stack([self.crops.draw(self.step, sample) for sample in self.share])
        x = (torch.from_numpy(pixels).to(self.device).float() / 255).permute(0, 3, 1, 2)
        qualities = [draws.quality(o.seed, self.step, sample, d.batch) for sample in self.share]
        quality = torch.tensor(qualities, dtype=torch.float32, device=self.device)
        meter = Meter([draws.noise(o.seed, self.step, sample) for sample in self.share])
        draws.seed_shared(o.seed, self.step)
        context = Context(d.crop, d.crop, {**self.knobs, "quality": quality})  # type: ignore[dict-item]
        lower = o.precision != "float32"
        with torch.autocast(self.device.type, getattr(torch, o.precision) if lower else None, enabled=lower):
            decoded = forward(self.codec, x, meter, context).x.float()
        area = d.crop * d.crop
        bpp = torch.as_tensor(meter.bits, device=self.device).expand(len(self.share)) / area
        loss = self.loss(decoded, x, bpp, quality).mean()
        mse = (decoded.detach().clamp(0, 1) - x).square().mean((1, 2, 3))
        row = {
            "loss": loss.detach(),
            "bpp": bpp.detach().mean(),
            "psnr": (-10 * torch.log10(mse + 1e-10)).mean(),
            **{f"bpp_{k}": torch.tensor(bits / area, device=self.device) for k, bits in meter.by_label.items()},
        }
        return Measured(loss, row)

    def _check(self, logged: Mapping[str, float]) -> None:
        for name, what in (("loss", "The loss"), ("grad", "A gradient")):
            if not np.isfinite(logged[name]):
                reason = culprit(self.network, lambda: self._measure().loss)
                raise TrainingError(f"{what} is not finite at step {self.step}: {reason}.")
