"""codectk train"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import zip_longest
from pathlib import Path

import click

from codectk.base.errors import TrainingError, UsageError
from codectk.base.outputs import Outputs
from codectk.cli.options import debug_option, device_option

MANY = ("--data", "--validate")


class _Command(click.Command):
    """A command of whose options some take all words up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        inside = ""
        for arg, following in zip_longest(args, args[1:], fillvalue="-"):
            if arg in MANY:
                inside = arg
                if following.startswith("-"):
                    raise click.BadOptionUsage(arg[2:], f"Option '{arg}' requires an argument.", ctx)
            elif inside and not arg.startswith("-"):
                spread += [inside, arg]
            else:
                inside = ""
                spread.append(arg)
        return super().parse_args(ctx, spread)


@click.command("train", cls=_Command)
@click.argument("recipe", required=False, metavar="RECIPE.toml")
@click.option("--data", "paths", multiple=True, metavar="PATH...", help="Pictures and folders of pictures.")
@click.option("-o", "--output", "folder", required=True, metavar="RUN", help="Folder of the run.")
@click.option(
    "--resume",
    is_flag=True,
    help="Go on from RUN's checkpoint, by its recipe and data if none are given; start where there is none.",
)
@click.option(
    "--validate", "kept_out", multiple=True, metavar="PATH...", help="Pictures kept out, coded every so many steps."
)
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Change the recipe; repeatable.")
@click.option("--plot", is_flag=True, help="Draw RUN/curve.png; without RECIPE and --resume, do only that.")
@device_option
@debug_option
def command(
    recipe: str | None,
    paths: tuple[str, ...],
    folder: str,
    resume: bool,
    kept_out: tuple[str, ...],
    overrides: tuple[str, ...],
    plot: bool,
    device: str,
) -> int:
    """Train a codec by a recipe.

    RUN holds checkpoint.pt, log.jsonl and, with --plot, curve.png. Ctrl-C or SIGTERM ends the run after the step at
    hand, with a checkpoint; one line with --resume in it both starts a run and goes on with it. For several processes:
    torchrun --nproc-per-node=N -m codectk train ...
    """
    run = Path(folder)
    if recipe is None and not resume:
        if not plot:
            raise UsageError("Give a RECIPE.toml to train by, or --resume, or --plot to draw the curve of a run.")
        return _draw(run)
    from codectk.train.loop import CHECKPOINT, CURVE, LOG, recipe_of, train
    from codectk.train.settings import load_recipe

    before = recipe_of(run, overrides) if resume else None
    chosen = before if recipe is None else load_recipe(recipe, overrides)
    if chosen is None:
        raise TrainingError(f"There is no checkpoint at {run / CHECKPOINT} to go on from; give a RECIPE.toml to start.")
    known = before or chosen
    chosen = chosen.on(
        paths or chosen.data.paths or known.data.paths,
        kept_out or chosen.validation.paths or known.validation.paths,
    )
    pictures = (*chosen.data.paths, *chosen.validation.paths)
    outputs = Outputs(name for name in (recipe, *pictures) if name is not None and not Path(name).is_dir())
    outputs.folder(folder)
    for name in (CHECKPOINT, LOG, *([CURVE] if plot else [])):
        outputs.write(run / name, makes_folder=True)
    if plot or (run / CURVE).exists():
        _check_apart(run / CURVE, pictures)
    outcome = train(chosen, run, resume=resume, device=device, plot=plot, say=_say)
    if outcome.first:
        end = f"{outcome.checkpoint} holds step {outcome.step} of {chosen.optim.steps}"
        if outcome.signal:
            click.echo(f"codectk: interrupted: {end}; go on with --resume.", err=True)
        else:
            click.echo(f"{end}.")
    return 128 + outcome.signal if outcome.signal else 0


def _check_apart(curve: Path, pictures: Sequence[str]) -> None:
    """Refuse folders of pictures in which the next run would find the curve of this one."""
    for folder in pictures:
        if Path(folder).is_dir() and curve.resolve().is_relative_to(Path(folder).resolve()):
            raise UsageError(f"'{curve}' lies in '{folder}' and would be taken for a picture there; name another RUN.")


def _draw(run: Path) -> int:
    from codectk.train.curve import plot_log
    from codectk.train.loop import CURVE, LOG

    plot_log(run / LOG, run / CURVE)
    click.echo(f"{run / LOG} -> {run / CURVE}")
    return 0


def _say(remark: str) -> None:
    click.echo(f"codectk: note: {remark}", err=True)
