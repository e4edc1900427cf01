"""Train the head: `python -m codectk_labels.train --panoptic DIR --scenes DIR -o head.safetensors`.

The backbone takes most of the time and never changes, so features of recent crops are kept and used several times.
Training computes in bfloat16, the trained segmenter in float32. Segmenters of other packages train with it, too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

import click
import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from codectk.base.errors import CodectkError
from codectk.base.memory import keep_freed_memory
from codectk.train.bar import Bar
from codectk.train.data import list_pictures
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

SAVE_EVERY = 100
"""Steps between two writings of the head."""

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
        self._kept: list[tuple[list[Tensor], Tensor]] = []

    def batch(self) -> tuple[list[Tensor], Tensor]:
        """Compute `FRESH` new crops; return them and a choice of older ones, `BATCH` as soon as there are enough."""
        chosen = self._rng.choice(len(self._entries), FRESH, p=self._draw)
        crops = [draw_crop(self._entries[index], self._rng) for index in chosen]
        with _bfloat16():
            features = self._backbone(torch.stack([x for x, _ in crops]).contiguous(memory_format=torch.channels_last))
        fresh = [([f[i].half() for f in features], crops[i][1]) for i in range(FRESH)]
        older = self._rng.permutation(len(self._kept))[: BATCH - FRESH]
        rows = fresh + [self._kept[index] for index in older]
        self._kept = [*self._kept, *fresh][-KEPT:]
        levels = [torch.stack(level).float() for level in zip(*(row[0] for row in rows), strict=True)]
        return levels, torch.stack([row[1] for row in rows])


def fit(
    segmenter: Trainable,
    entries: Sequence[Labeled],
    scenes: Sequence[Scene],
    steps: int,
    seed: int,
    save: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """Train the head in place; the same arguments give the same head on the same machine.

    Args:
        segmenter: untrained.
        entries: pictures with label maps.
        scenes: thumbnails, or none.
        steps: optimizer steps.
        seed: of all draws.
        save: called with step and latest loss every `SAVE_EVERY` steps and at the end.
    """
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    draw, weight = draw_weights(entries)
    replay = Replay(entries, draw, segmenter.backbone, rng)
    head = segmenter.head
    optimizer = torch.optim.AdamW(head.parameters(), lr=2e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps, pct_start=0.1)
    head.train()
    with Bar() as bar:
        bar.begin("training", steps)
        for step in range(steps):
            features, target = replay.batch()
            with _bfloat16():
                logits = head(features)
            loss = dense_loss(logits.float(), target, weight)
            shown = {"loss": float(loss.detach())}
            if scenes and step % 2:
                loss = loss + 0.5 * _scenes(head, segmenter.backbone, scenes, rng)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            nn.utils.clip_grad_norm_(head.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            bar.show(step + 1, shown)
            if (step + 1) % SAVE_EVERY == 0 or step + 1 == steps:
                save(step + 1, shown["loss"])
    segmenter.eval()


def _scenes(head: nn.Module, backbone: nn.Module, scenes: Sequence[Scene], rng: np.random.Generator) -> Tensor:
    chosen = [scenes[index] for index in rng.integers(len(scenes), size=SCENE_BATCH)]
    x = torch.stack([draw_scene(scene, rng) for scene in chosen]).contiguous(memory_format=torch.channels_last)
    with _bfloat16():
        logits = head(backbone(x))
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
    def main(panoptic: Path, scenes: Path | None, without: Path | None, output: Path, steps: int, seed: int) -> None:
        """Train the head on four fifths of the annotated pictures and measure it on the others."""
        try:
            keep_freed_memory()
            train, test = load_labeled(panoptic)
            left_out = {path.stem for path in list_pictures([without])} if without else set()
            train = [entry for entry in train if entry.stem not in left_out]
            kinds = load_scenes(scenes) if scenes else []
            segmenter = make()

            def save(step: int, loss: float) -> None:
                click.echo(f"step {step}: loss {loss:.3f}", err=True)
                save_tensors(output, arrays(segmenter), {"steps": f"{step} of {steps}", "seed": str(seed)})

            fit(segmenter, train, kinds, steps, seed, save)
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
