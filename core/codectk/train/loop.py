"""The one training loop: steps, log lines and checkpoints. Every process runs it; the first one writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from codectk.base.errors import WeightsError
from codectk.train.bar import Bar
from codectk.train.checkpoint import save_checkpoint
from codectk.train.learner import Learner
from codectk.train.log import PREFIX, Log, Window
from codectk.train.plot import plot_log
from codectk.train.steps import Steps
from codectk.train.validation import Validation

CHECKPOINT, LOG, CURVE = "checkpoint.pt", "log.jsonl", "curve.png"


def loop(
    trainer: Steps,
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
        trainer: at the step to go on from.
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
    section, steps = trainer.recipe.run, trainer.recipe.optim.steps
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
                _validate(validation, trainer, log, bar, say)
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


def _validate(validation: Validation, trainer: Steps, log: Log, bar: Bar, say: Callable[[str], None]) -> None:
    assert isinstance(trainer, Learner)
    try:
        mean, by_quality = validation.measure(trainer.network, trainer.average.values)
    except WeightsError as error:
        say(f"The weights of step {trainer.step} cannot be validated: {error}")
        return
    means = {PREFIX + key: value for key, value in mean.row().items()}
    rows = [{"quality": rating.quality, **rating.row()} for rating in by_quality]
    log.write({"step": trainer.step, **means, f"{PREFIX}by_quality": rows})
    bar.remark(f"validation {mean.bpp:.3f} bpp, {mean.psnr:.2f} dB")
