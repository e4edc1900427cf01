"""A whole training run: from a recipe and a folder of pictures to a checkpoint, a log and a curve."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from codectk.base.atomic import make_folder
from codectk.base.errors import UsageError
from codectk.base.memory import keep_freed_memory
from codectk.train.bar import Bar
from codectk.train.checkpoint import load_checkpoint
from codectk.train.data import Crops
from codectk.train.labels import LabelMaps
from codectk.train.log import Window
from codectk.train.loop import CHECKPOINT, loop
from codectk.train.make import make, validation
from codectk.train.recipe import Recipe, differences, from_dict
from codectk.train.scale import choose_algorithms, join_world
from codectk.train.steps import Steps
from codectk.train.stopping import Stop


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        checkpoint: where it is.
        step: steps done, of `Recipe.optim.steps`.
        signal: number of the signal that ended the run, or 0.
        first: False in processes that leave talking to the first one.
    """

    checkpoint: Path
    step: int
    signal: int
    first: bool


def recipe_of(folder: Path, overrides: Iterable[str] = ()) -> Recipe | None:
    """The recipe of a run that has a checkpoint, changed; None before its first one.

    Raises:
        TrainingError: the checkpoint cannot be read.
        UsageError, PluginError: as `recipe.from_dict`.
    """
    checkpoint = folder / CHECKPOINT
    if not checkpoint.exists():
        return None
    return from_dict(load_checkpoint(checkpoint)["recipe"], str(checkpoint), overrides)


def train(
    recipe: Recipe,
    folder: Path,
    *,
    resume: bool = False,
    device: str = "cpu",
    plot: bool = False,
    stop: Callable[[int], bool] = lambda step: False,
    say: Callable[[str], None] = lambda remark: None,
) -> Outcome:
    """Train up to the recipe's last step, or until SIGINT, SIGTERM or `stop` ends it; leaves a checkpoint either way.

    Args:
        recipe: what to do, and on which pictures.
        folder: where `checkpoint.pt`, `log.jsonl` and `curve.png` go; made if missing.
        resume: go on from the folder's checkpoint, or start where there is none; without it there must be none.
        device: "cpu", "cuda", ...
        plot: draw the curve with every checkpoint.
        stop: asked during each step, with its number (from 1), whether to end the run after it.
        say: takes remarks for the user.

    Raises:
        UsageError, InputError, OutputError, WeightsError, PluginError: the recipe, data, folder or device cannot be
            used.
        TrainingError: a checkpoint to start from is missing, or one does not fit; or a value is not finite.
    """
    checkpoint = folder / CHECKPOINT
    if not recipe.data.paths:
        raise UsageError("Training needs --data PATH, or data.paths in its recipe.")
    found = checkpoint.exists()
    if found and not resume:
        raise UsageError(f"{checkpoint} exists; pass --resume to go on, or choose another folder.")
    state = load_checkpoint(checkpoint) if found else None
    make_folder(folder)
    keep_freed_memory()
    world, place = join_world(device)
    choose_algorithms(place, recipe.run.deterministic)
    remark = say if world.first else lambda text: None
    with Bar(world.first) as bar:
        if resume and state is None:
            remark(f"There is no checkpoint at {checkpoint} yet: the run starts.")
        load = partial(_load, recipe, bar, remark)
        trainer = make(recipe, load, world, place, fresh=state is None, say=remark)
        window = Window()
        if state is not None:
            trainer.load(state)
            window = Window(state.get("window"))
            _compare(state, trainer, remark)
            del state  # as large as three networks
        kept_out = validation(recipe, place) if recipe.validation.paths and world.first else None
        with Stop() as signals:
            loop(
                trainer, folder, window, bar, validation=kept_out, plot=plot, say=remark,
                stop=lambda: bool(signals.signal) or stop(trainer.step + 1),
            )  # fmt: skip
    world.leave()
    return Outcome(checkpoint, trainer.step, signals.signal, world.first)


def _load(recipe: Recipe, bar: Bar, say: Callable[[str], None], labelled: bool) -> tuple[Crops, LabelMaps | None]:
    d = recipe.data

    def report(what: str) -> Callable[[int, int], None]:
        def show(done: int, total: int) -> None:
            if done == 1:
                bar.begin(what, total)
            bar.show(done)

        return show

    crops = Crops(
        d.paths, d.crop, d.min_side, d.scale_min, recipe.optim.seed, d.mirror, d.transpose, d.shares,
        report("reading pictures"),
    )  # fmt: skip
    if crops.small:
        say(f"{crops.small} pictures are smaller than {max(d.crop, d.min_side)} pixels and are left out.")
    if crops.refused:
        say(f"{len(crops.refused)} pictures cannot be used, the first: {crops.refused[0]}")
    if not labelled:
        return crops, None
    labels = LabelMaps(Path(d.labels), crops, report("reading label maps"))
    if labels.missing:
        say(f"{labels.missing} of {len(crops.pictures)} pictures have no label map in {d.labels} and count as void.")
    return crops, labels


def _compare(state: Mapping[str, Any], trainer: Steps, say: Callable[[str], None]) -> None:
    """Tell why a resumed run may differ from an uninterrupted one."""
    if changed := differences(from_dict(state["recipe"]), trainer.recipe):
        say(f"The recipe differs from the checkpoint's in {', '.join(changed)}.")
    if state.get("data", trainer.digest) != trainer.digest:
        say("The training pictures are not those of the checkpoint.")
