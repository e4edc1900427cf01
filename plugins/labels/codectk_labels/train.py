"""Train the head: `python -m codectk_labels.train --panoptic DIR --scenes DIR -o head.safetensors`.

The backbone takes most of the time and never changes, so features of recent crops are kept and used several times.
Training computes in bfloat16, the trained segmenter in float32. Segmenters of other packages train with it, too.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from codectk.base.atomic import make_folder
from codectk.base.errors import CodectkError, TrainingError, UsageError
from codectk.base.memory import keep_freed_memory
from codectk.train.bar import Bar
from codectk.train.checkpoint import load_checkpoint
from codectk.train.data import list_pictures
from codectk.train.log import Window
from codectk.train.loop import CHECKPOINT, Stop, loop, resumed
from codectk.train.optimizer import Cycle
from codectk.train.settings import RunSection
from codectk.train.world import World
from codectk.weights.tensors import save_tensors
from codectk_labels.crops import Labeled, Scene, draw_crop, draw_scene, draw_weights, load_labeled, load_scenes
from codectk_labels.predict import SIDES, label_map
from codectk_labels.preset import head_arrays
from codectk_labels.scores import Confusion, Scores
from codectk_labels.segmenter import Segmenter

FRESH, KEPT, BATCH = 4, 480, 16
"""Crops computed per step, crops kept with their features, and crops learned from per step."""

SCENE_BATCH = 4
"""Scene thumbnails learned from in every second step."""

PART = 0.25
"""A scene's required group counts as found if it is certain in this share of the thumbnail."""


class Trainable(Protocol):
    """A frozen backbone, which gives a list of features, and a head that makes logits (B, 13, h, w) of them."""

    @property
    def backbone(self) -> nn.Module: ...

    @property
    def head(self) -> nn.Module: ...

    def eval(self) -> object: ...


Trained = TypeVar("Trained", bound=Trainable)


def dense_loss(logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Weighted cross-entropy over cells.

    Args:
        logits: float (B, 13, h, w).
        target: float (B, 13, n h, n w), shares that sum to at most 1; what is missing is void.
        weight: float (13,).
    """
    shares = functional.avg_pool2d(target.float(), target.shape[-1] // logits.shape[-1])
    mass = shares * weight.view(1, -1, 1, 1)
    return -(mass * logits.log_softmax(1)).sum() / mass.sum().clamp_min(1)


def scene_loss(logits: Tensor, allowed: Tensor, required: Tensor) -> Tensor:
    """What a scene's kind says: nothing else than the allowed groups, and the required one somewhere.

    Args:
        logits: float (B, 13, h, w).
        allowed: bool (B, 13).
        required: int64 (B,), a channel or -1.
    """
    log_p = logits.log_softmax(1)
    outside = -log_p.masked_fill(~allowed[:, :, None, None], -math.inf).logsumexp(1).mean()
    some = required >= 0
    chosen = log_p[some, required[some]].exp().flatten(1)
    best = chosen.topk(max(round(PART * chosen.shape[1]), 1), dim=1).values.mean(1)
    return outside - best.clamp_min(1e-6).log().sum() / max(len(required), 1)


def _bfloat16() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)


class Replay:
    """The latest crops as backbone features (float16) and target shares."""

    def __init__(self, entries: Sequence[Labeled], draw: np.ndarray, backbone: nn.Module, rng: np.random.Generator):
        self._entries, self._draw, self._backbone, self._rng = entries, draw, backbone, rng
        self.kept: list[tuple[list[Tensor], Tensor]] = []

    def batch(self) -> tuple[list[Tensor], Tensor]:
        """Compute `FRESH` new crops; return them and a choice of older ones, `BATCH` as soon as there are enough."""
        chosen = self._rng.choice(len(self._entries), FRESH, p=self._draw)
        crops = [draw_crop(self._entries[index], self._rng) for index in chosen]
        with _bfloat16():
            features = self._backbone(torch.stack([x for x, _ in crops]).contiguous(memory_format=torch.channels_last))
        fresh = [([f[i].half() for f in features], crops[i][1]) for i in range(FRESH)]
        older = self._rng.permutation(len(self.kept))[: BATCH - FRESH]
        rows = fresh + [self.kept[index] for index in older]
        self.kept = [*self.kept, *fresh][-KEPT:]
        levels = [torch.stack(level).float() for level in zip(*(row[0] for row in rows), strict=True)]
        return levels, torch.stack([row[1] for row in rows])


class HeadTrainer:
    """Trains a head in place, by `codectk.train.loop`; the same arguments give the same head on the same machine.

    Args:
        segmenter: untrained.
        entries: pictures with label maps.
        scenes: thumbnails, or none.
        steps: optimizer steps.
        seed: of all draws.
    """

    run, world = RunSection(log_every=100, checkpoint_minutes=4.0), World()

    def __init__(
        self, segmenter: Trainable, entries: Sequence[Labeled], scenes: Sequence[Scene], steps: int, seed: int
    ) -> None:
        torch.manual_seed(seed)
        self.segmenter, self.scenes, self.steps, self.seed, self.step = segmenter, scenes, steps, seed, 0
        self._rng = np.random.default_rng(seed)
        draw, self._weight = draw_weights(entries)
        self._replay = Replay(entries, draw, segmenter.backbone, self._rng)
        parameters = segmenter.head.parameters()
        self._cycle = Cycle(torch.optim.AdamW(parameters, lr=2e-3, weight_decay=0.02), 3e-3, steps, 0.1, clip=1.0)
        segmenter.head.train()

    def train_step(self, stop: Callable[[], bool] = lambda: False) -> tuple[dict[str, float], bool]:
        """See `codectk.train.loop.Trained`."""
        features, target = self._replay.batch()
        with _bfloat16():
            logits = self.segmenter.head(features)
        loss = dense_loss(logits.float(), target, self._weight)
        row = {"loss": float(loss.detach())}
        if self.scenes and self.step % 2:
            loss = loss + 0.5 * _scenes(self.segmenter, self.scenes, self._rng)
        self._cycle.descend(loss)
        self.step += 1
        return row, stop()

    def rates(self) -> dict[str, float]:
        """See `codectk.train.loop.Trained`."""
        return {"lr": float(self._cycle.schedule.get_last_lr()[0])}

    def state(self) -> dict[str, Any]:
        """See `codectk.train.loop.Trained`."""
        return {
            "step": self.step,
            "recipe": {"steps": self.steps, "seed": self.seed},
            "network": self.segmenter.head.state_dict(),
            "ema": {},
            "optimizer": self._cycle.state(),
            "draws": json.dumps(self._rng.bit_generator.state),
            "torch": torch.get_rng_state(),
            "replay": self._replay.kept,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """See `codectk.train.loop.Trained`.

        Raises:
            TrainingError: the checkpoint is that of another head, or of a run of other length or seed.
        """
        if state["recipe"] != {"steps": self.steps, "seed": self.seed}:
            raise TrainingError(f"The checkpoint is that of a run with {state['recipe']}.")
        try:
            self.segmenter.head.load_state_dict(state["network"])
            self._cycle.load(state["optimizer"])
            self._rng.bit_generator.state = json.loads(state["draws"])
            torch.set_rng_state(state["torch"])
        except (RuntimeError, ValueError, KeyError) as error:
            raise TrainingError(f"The checkpoint is not that of such a head: {error}.") from error
        self._replay.kept = [(list(features), target) for features, target in state["replay"]]
        self.step = state["step"]


def fit(trainer: HeadTrainer, folder: Path, *, resume: bool = False) -> int:
    """Train up to the last step, or until a signal; checkpoint and log go to a folder.

    Args:
        trainer: fresh.
        folder: made if missing.
        resume: go on from its checkpoint, if it has one.

    Returns:
        The number of the signal that ended it, or 0.

    Raises:
        UsageError: there is a checkpoint, and it is not to be resumed.
        TrainingError: it is that of something else.
        OutputError: the folder cannot be written.
    """
    checkpoint, window = folder / CHECKPOINT, Window()
    if checkpoint.exists():
        if not resume:
            raise UsageError(f"{checkpoint} exists; pass --resume to go on, or choose another output.")
        window = resumed(trainer, load_checkpoint(checkpoint))
    make_folder(folder)
    with Bar() as bar, Stop() as signals:
        loop(trainer, folder, window, bar, stop=lambda: bool(signals.signal))
    trainer.segmenter.eval()
    return signals.signal


def _scenes(segmenter: Trainable, scenes: Sequence[Scene], rng: np.random.Generator) -> Tensor:
    chosen = [scenes[index] for index in rng.integers(len(scenes), size=SCENE_BATCH)]
    x = torch.stack([draw_scene(scene, rng) for scene in chosen]).contiguous(memory_format=torch.channels_last)
    with _bfloat16():
        logits: Tensor = segmenter.head(segmenter.backbone(x))
    allowed = torch.from_numpy(np.stack([scene.allowed for scene in chosen]))
    return scene_loss(logits.float(), allowed, torch.tensor([scene.required for scene in chosen]))


def evaluate(segmenter: Segmenter, entries: Sequence[Labeled], sides: Sequence[int] = SIDES) -> Scores:
    """Agreement with the true maps at their full size."""
    confusion = Confusion()
    for entry in entries:
        confusion.add(entry.labels, label_map(segmenter, entry.pixels, sides))
    return confusion.scores()


def program(
    make: Callable[[], Trained],
    arrays: Callable[[Trained], Mapping[str, np.ndarray]],
    measured: Callable[[Trained, Sequence[Labeled]], Iterable[str]],
    steps: int,
) -> click.Command:
    """A command line that trains a segmenter's head on four fifths of the annotated pictures.

    Args:
        make: an untrained segmenter.
        arrays: what to store of a trained one.
        measured: lines to print about it, from the pictures kept out.
        steps: default number of optimizer steps.
    """

    @click.command()
    @click.option("--panoptic", type=click.Path(path_type=Path), required=True, help="Folder with panoptic_*.json.")
    @click.option("--scenes", type=click.Path(path_type=Path), help="Folder of scene thumbnails by kind.")
    @click.option("--without", type=click.Path(path_type=Path), help="Folder of pictures not to train on, by name.")
    @click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Head weights to write.")
    @click.option("--steps", type=click.IntRange(20), default=steps, show_default=True)
    @click.option("--seed", type=int, default=0, show_default=True)
    @click.option("--resume", is_flag=True, help="Go on from the checkpoint that an interrupted run left.")
    def main(
        panoptic: Path, scenes: Path | None, without: Path | None, output: Path, steps: int, seed: int, resume: bool
    ) -> None:
        """Train the head on four fifths of the annotated pictures and measure it on the others.

        Checkpoint and log lie in a folder beside the output, with ".run" behind its name.
        """
        try:
            keep_freed_memory()
            train, test = load_labeled(panoptic)
            left_out = {path.stem for path in list_pictures([without])} if without else set()
            train = [entry for entry in train if entry.stem not in left_out]
            kinds = load_scenes(scenes) if scenes else []
            segmenter = make()
            trainer = HeadTrainer(segmenter, train, kinds, steps, seed)
            if fit(trainer, output.with_name(f"{output.name}.run"), resume=resume):
                raise TrainingError(f"Stopped at step {trainer.step} of {steps}; --resume goes on from there.")
            save_tensors(output, arrays(segmenter), {"steps": f"{steps} of {steps}", "seed": str(seed)})
            click.echo(f"{len(train)} pictures, {len(kinds)} thumbnails, {steps} steps; on {len(test)} kept out:")
            for line in measured(segmenter, test):
                click.echo(line)
        except CodectkError as error:
            raise click.ClickException(str(error)) from error

    return main


def _measured(segmenter: Segmenter, entries: Sequence[Labeled]) -> Iterable[str]:
    for sides in dict.fromkeys([(320,), SIDES]):
        yield f"longer side {' and '.join(map(str, sides))}: {evaluate(segmenter, entries, sides)}"


main = program(Segmenter, lambda segmenter: head_arrays(segmenter.head), _measured, steps=750)

if __name__ == "__main__":
    main()
