"""The one training loop: steps, log lines and checkpoints. Every process runs it; the first one writes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from codectk.train.bar import Bar
from codectk.train.checkpoint import save_checkpoint
from codectk.train.log import Log, Window
from codectk.train.plot import plot_log
from codectk.train.steps import Steps

CHECKPOINT, LOG, CURVE = "checkpoint.pt", "log.jsonl", "curve.png"


def loop(
    trainer: Steps, folder: Path, window: Window, bar: Bar, *, plot: bool = False, stop: Callable[[], bool]
) -> None:
    """Train up to the recipe's last step, or until `stop()`; leaves a checkpoint either way.

    Args:
        trainer: at the step to go on from.
        folder: where the files go.
        window: what was not yet logged at that step.
        bar: shows progress.
        plot: draw the curve with every checkpoint.
        stop: asked during each step; the run ends after the step.

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
        stopping = False
        while trainer.step < steps and not stopping:
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
