"""The one training loop.

A step is a function of (seed, step) and the weights alone: crops, qualities, regions and noise are drawn from
counter-based generators, one per sample. So a resumed run repeats an uninterrupted one exactly, and a run over
several processes sees the same global batch as one process.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from codectk.base.errors import TrainingError, UsageError
from codectk.base.types import Context
from codectk.nn.coders import Meter
from codectk.nn.memory import keep_freed_memory
from codectk.pipeline.stages import forward
from codectk.train.checkpoint import Average, first_not_finite, load_checkpoint, save_checkpoint
from codectk.train.data import Crops
from codectk.train.log import TrainingLog
from codectk.train.losses import RateDistortion
from codectk.train.recipe import Recipe, from_dict
from codectk.train.scale import World, join_world

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class Trainer:
    """Trains a network that wires its stages into a codec (`network.codec()`).

    Args:
        recipe: everything that decides the result.
        network: the module to train.
        crops: training data.
        folder: where `checkpoint.pt` and `log.jsonl` live.
        world: place among processes.
        device: torch device.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        crops: Crops,
        folder: Path,
        world: World,
        device: str = "cpu",
    ):
        if recipe.optim.precision not in PRECISIONS:
            raise UsageError(f"precision must be one of {', '.join(PRECISIONS)}, not '{recipe.optim.precision}'.")
        self.recipe, self.crops, self.folder, self.world, self.device = recipe, crops, folder, world, device
        self.network = network.to(device, memory_format=torch.channels_last).train()
        self.codec = network.codec()
        self.loss = RateDistortion(recipe.loss)
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=recipe.optim.lr, fused=True)
        self.average = Average(self.network, recipe.optim.ema)
        self.step = 0

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.pt"

    def rate(self, step: int) -> float:
        """Learning rate: warm-up, constant, linear decay."""
        o = self.recipe.optim
        warm = min(1.0, (step + 1) / max(1, o.warmup))
        left = min(1.0, (o.steps - step) / max(1, o.decay))
        return o.lr_final + (o.lr * warm - o.lr_final) * left

    def run(self, stop: Callable[[], bool] = lambda: False) -> None:
        """Train up to the recipe's last step, or until `stop()` says so; leaves a checkpoint either way."""
        section = self.recipe.run
        saved = time.monotonic()
        window: list[dict[str, float]] = []
        log = TrainingLog(self.folder / "log.jsonl", self.step, self.recipe.optim.steps) if self.world.first else None
        began = time.monotonic()
        try:
            if log:
                log.__enter__()
            while self.step < self.recipe.optim.steps and not stop():
                window.append(self.train_step())
                if log:
                    log.advance(self.step)
                if self.step % section.log_every == 0 or self.step == self.recipe.optim.steps:
                    means = self._means(window)
                    if log:
                        seconds = (time.monotonic() - began) / len(window)
                        log.record(step=self.step, lr=self.rate(self.step - 1), seconds=seconds, **means)
                    window, began = [], time.monotonic()
                if self.world.first and time.monotonic() - saved > 60 * section.checkpoint_minutes:
                    self.save()
                    saved = time.monotonic()
            if self.world.first:
                self.save()
            self.world.barrier()
        finally:
            if log:
                log.__exit__(None, None, None)

    def train_step(self) -> dict[str, float]:
        """One optimizer step over this process's share of the global batch; returns what is logged."""
        o, d = self.recipe.optim, self.recipe.data
        share = self.world.share(d.batch)
        seeds = [(o.seed, self.step, sample) for sample in share]
        x = torch.from_numpy(np.stack([self.crops.draw(self.step, sample) for sample in share]))
        x = (x.to(self.device).float() / 255).permute(0, 3, 1, 2)
        # Stratified over the global batch: every step sees the whole rate axis.
        quality = torch.tensor(
            [
                100 * (sample + np.random.default_rng((*seed, 1)).random()) / d.batch
                for sample, seed in zip(share, seeds, strict=True)
            ],
            dtype=torch.float32,
            device=self.device,
        )
        generators = [torch.Generator().manual_seed(_mix(*seed)) for seed in seeds]
        torch.manual_seed(_mix(o.seed, self.step, 0))  # for draws that a whole batch shares
        context = Context(d.crop, d.crop, {"quality": quality})
        meter = Meter(generators)
        kind = torch.device(self.device).type
        dtype = PRECISIONS[o.precision]
        with torch.autocast(kind, dtype, enabled=dtype != torch.float32):
            decoded = forward(self.codec, x, meter, context).x.float()
        assert isinstance(meter.bits, Tensor)
        bpp = meter.bits / (d.crop * d.crop)
        loss = self.loss(decoded, x, bpp, quality).mean()
        if not torch.isfinite(loss):
            raise TrainingError(f"the loss is not finite at step {self.step}{self._culprit()}.")
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(self.step)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.world.average_gradients(self.network)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), o.clip)
        if not torch.isfinite(norm):
            raise TrainingError(f"a gradient is not finite at step {self.step}{self._culprit()}.")
        self.optimizer.step()
        self.average.update(self.network)
        self.step += 1
        mse = (decoded.detach().clamp(0, 1) - x).square().mean((1, 2, 3))
        shares = {f"bpp_{label}": bits / (d.crop * d.crop) for label, bits in meter.by_label.items()}
        return {
            "loss": float(loss.detach()),
            "bpp": float(bpp.detach().mean()),
            "psnr": float((-10 * torch.log10(mse + 1e-10)).mean()),
            "grad": float(norm),
            **shares,
        }

    def _means(self, window: list[dict[str, float]]) -> dict[str, float]:
        keys = list(window[0])
        table = torch.tensor([[row[key] for key in keys] for row in window], dtype=torch.float64)
        return dict(zip(keys, self.world.average(table.mean(0)).tolist(), strict=True))

    def _culprit(self) -> str:
        """Name of the first module with a value that is not finite."""
        weights = {k: v for k, v in self.network.named_parameters()}
        gradients = {k: v.grad for k, v in weights.items() if v.grad is not None}
        name = first_not_finite(weights) or first_not_finite(gradients)
        return f": {name} is the first tensor with a bad value" if name else " although all weights are finite"

    def save(self) -> None:
        """Write the checkpoint atomically."""
        save_checkpoint(
            self.checkpoint,
            {
                "step": self.step,
                "network": self.network.state_dict(),
                "ema": self.average.state(),
                "optimizer": self.optimizer.state_dict(),
                "recipe": self.recipe.as_dict(),
            },
        )

    def resume(self) -> None:
        """Continue from the folder's checkpoint.

        Raises:
            TrainingError: there is none, or it was made by a recipe for another network.
        """
        state = load_checkpoint(self.checkpoint)
        if from_dict(state["recipe"]).codec != self.recipe.codec:
            raise TrainingError(f"{self.checkpoint} was made for another network than this recipe's.")
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.average.load(state["ema"])
        self.step = state["step"]


def _mix(*numbers: int) -> int:
    """A 63-bit seed from several small numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0]) >> 1


def train(
    recipe: Recipe,
    build: Callable[[Recipe], nn.Module],
    paths: list[str],
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    stop: Callable[[], bool] = lambda: False,
) -> Path:
    """Build, load data, train. Returns the checkpoint's path.

    Args:
        build: makes the untrained network of a recipe.
        paths: picture files or folders.
        folder: output; with an unfinished run in it, `resume` is required.
    """
    if math.ceil(recipe.optim.steps) < 1:
        raise UsageError("a recipe needs at least one step.")
    keep_freed_memory()
    world = join_world()
    torch.manual_seed(recipe.optim.seed)
    d = recipe.data
    crops = Crops(paths, d.crop, d.min_side, d.scale_min, recipe.optim.seed)
    trainer = Trainer(recipe, build(recipe), crops, folder, world, device)
    if resume:
        trainer.resume()
    elif trainer.checkpoint.exists():
        raise UsageError(f"{trainer.checkpoint} exists; pass --resume to go on or choose another folder.")
    trainer.run(stop)
    return trainer.checkpoint
