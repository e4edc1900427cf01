"""A whole training run: from a recipe to checkpoint, log and curve. Every process runs it; the first one writes."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Protocol

from codectk.base.atomic import make_folder
from codectk.base.errors import UsageError, WeightsError
from codectk.base.memory import keep_freed_memory
from codectk.train.bar import Bar
from codectk.train.checkpoint import load_checkpoint, save_checkpoint
from codectk.train.curve import plot_log
from codectk.train.data import load_data
from codectk.train.log import PREFIX, Log, Window
from codectk.train.settings import Recipe, RunSection, differences, from_dict
from codectk.train.trainer import Trainer, make
from codectk.train.validation import Validation, validation_of
from codectk.train.world import World, choose_algorithms, join_world

CHECKPOINT, LOG, CURVE = "checkpoint.pt", "log.jsonl", "curve.png"

SIGNALS = (signal.SIGINT, signal.SIGTERM)

ECHO_SECONDS = 1.0
"""Under torchrun Ctrl-C comes twice, from the terminal and from the launcher; a later one is a person's who insists."""


class Trained(Protocol):
    """What `loop` asks for.

    Attributes:
        step: steps done.
        steps: of the whole run.
        run: how often to log and to save.
        world: this process's place among all.
    """

    step: int
    world: World

    @property
    def steps(self) -> int: ...

    @property
    def run(self) -> RunSection: ...

    def train_step(self, stop: Callable[[], bool]) -> tuple[dict[str, float], bool]:
        """Take one step; returns what it measured, by name, and whether any process wants to stop."""

    def rates(self) -> dict[str, float]:
        """Learning rates of the last step, as they are logged."""

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on from here to the same result; see `checkpoint.load_checkpoint`."""

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from a checkpoint."""


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
        load = partial(load_data, recipe, bar, remark)
        trainer = make(recipe, load, world, place, fresh=state is None, say=remark)
        window = Window()
        if state is not None:
            window = resumed(trainer, state)
            _compare(state, trainer, remark)
            del state  # as large as three networks
        kept_out = None
        if recipe.validation.paths and world.first:
            kept_out = validation_of(recipe, trainer.network, trainer.average.values, place)
        with Stop() as signals:
            loop(
                trainer, folder, window, bar, validation=kept_out, plot=plot, say=remark,
                stop=lambda: bool(signals.signal) or stop(trainer.step + 1),
            )  # fmt: skip
    world.leave()
    return Outcome(checkpoint, trainer.step, signals.signal, world.first)


def resumed(trainer: Trained, state: Mapping[str, Any]) -> Window:
    """Bring a trainer to where a checkpoint left off; returns what was not yet logged there.

    Raises:
        TrainingError: the checkpoint was made for something else.
    """
    trainer.load(state)
    return Window(state.get("window"))


def loop(
    trainer: Trained,
    folder: Path,
    window: Window,
    bar: Bar,
    *,
    validation: Validation | None = None,
    plot: bool = False,
    stop: Callable[[], bool],
    say: Callable[[str], None] = lambda remark: None,
) -> None:
    """Train up to the recipe's last step, or until `stop()`; leaves a checkpoint either way.

    Args:
        trainer: at the step to go on from; a `Trainer`, or what plugins train in their own way.
        folder: where the files go.
        window: what was not yet logged at that step.
        bar: shows progress.
        validation: measures between steps; what is due when a run is stopped is measured when it goes on.
        plot: draw the curve with every checkpoint.
        stop: asked during each step; the run ends after the step.
        say: takes remarks for the user.

    Raises:
        TrainingError: a value is not finite; the last checkpoint written stays.
        OutputError: a file cannot be written.
    """
    section, steps = trainer.run, trainer.steps
    with ExitStack() as stack:
        log = stack.enter_context(Log(folder / LOG, trainer.step)) if trainer.world.first else None
        bar.begin("training", steps, trainer.step)
        began = saved = time.monotonic()
        counted = trainer.step
        rated = {record["step"] for record in log.records if f"{PREFIX}loss" in record} if log else set()
        stopping = False
        while not stopping:
            if log and validation and validation.due(trainer.step, steps) and trainer.step not in rated:
                before = time.monotonic()
                _validate(validation, trainer.step, log, bar, say)
                began += time.monotonic() - before
                if plot:
                    plot_log(folder / LOG, folder / CURVE)
            if trainer.step >= steps:
                break
            row, stopping = trainer.train_step(stop)
            window.add(row)
            bar.show(trainer.step, row)
            last = trainer.step == steps or stopping
            if log and (trainer.step % section.log_every == 0 or trainer.step == steps):
                now = time.monotonic()
                seconds = round((now - began) / (trainer.step - counted), 4)
                log.write({"step": trainer.step, **trainer.rates(), "seconds": seconds, **window.means()})
                window, began, counted = Window(), now, trainer.step
            if log and (last or time.monotonic() - saved >= 60 * section.checkpoint_minutes):
                save_checkpoint(folder / CHECKPOINT, {**trainer.state(), "window": window.state()})
                saved = time.monotonic()
                if plot:
                    plot_log(folder / LOG, folder / CURVE)


class Stop:
    """While entered, remembers the first signal; a second one breaks off at once.

    Attributes:
        signal: number of the signal, or 0.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._time = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        # Only the main thread may set handlers; a run in another thread is stopped by whoever started it.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.signal and now - self._time > ECHO_SECONDS:
            raise KeyboardInterrupt
        if not self.signal:
            self.signal, self._time = number, now


def _validate(validation: Validation, step: int, log: Log, bar: Bar, say: Callable[[str], None]) -> None:
    try:
        mean, by_quality = validation.measure()
    except WeightsError as error:
        say(f"The weights of step {step} cannot be validated: {error}")
        return
    means = {PREFIX + key: value for key, value in mean.row().items()}
    rows = [{"quality": rating.quality, **rating.row()} for rating in by_quality]
    log.write({"step": step, **means, f"{PREFIX}by_quality": rows})
    bar.remark(f"validation {mean.bpp:.3f} bpp, {mean.psnr:.2f} dB")


def _compare(state: Mapping[str, Any], trainer: Trainer, say: Callable[[str], None]) -> None:
    """Tell why a resumed run may differ from an uninterrupted one."""
    if changed := differences(from_dict(state["recipe"]), trainer.recipe):
        say(f"The recipe differs from the checkpoint's in {', '.join(changed)}.")
    if state.get("data", trainer.digest) != trainer.digest:
        say("The training pictures are not those of the checkpoint.")
