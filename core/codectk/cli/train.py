"""codectk train"""

from __future__ import annotations

from itertools import zip_longest
from pathlib import Path

import click

from codectk.base.errors import UsageError
from codectk.cli.options import debug_option, device_option


class _Command(click.Command):
    """A command whose `--data` takes all words up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        spread: list[str] = []
        inside = False
        for arg, following in zip_longest(args, args[1:], fillvalue="-"):
            if arg == "--data":
                inside = True
                if following.startswith("-"):
                    raise click.BadOptionUsage("data", "Option '--data' requires an argument.", ctx)
            elif inside and not arg.startswith("-"):
                spread += ["--data", arg]
            else:
                inside = False
                spread.append(arg)
        return super().parse_args(ctx, spread)


@click.command("train", cls=_Command)
@click.argument("recipe", required=False, metavar="RECIPE.toml")
@click.option("--data", "paths", multiple=True, metavar="PATH...", help="Pictures and folders of pictures.")
@click.option("-o", "--output", "folder", required=True, metavar="RUN", help="Folder of the run.")
@click.option("--resume", is_flag=True, help="Go on from RUN's checkpoint, by its recipe if none is given.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Change the recipe; repeatable.")
@click.option("--plot", is_flag=True, help="Draw RUN/curve.png; without RECIPE and --resume, do only that.")
@device_option
@debug_option
def command(
    recipe: str | None,
    paths: tuple[str, ...],
    folder: str,
    resume: bool,
    overrides: tuple[str, ...],
    plot: bool,
    device: str,
) -> int:
    """Train a codec by a recipe.

    RUN holds checkpoint.pt, log.jsonl and, with --plot, curve.png. Ctrl-C or SIGTERM ends the run after the step at
    hand, with a checkpoint. For several processes: torchrun --nproc-per-node=N -m codectk train ...
    """
    run = Path(folder)
    if recipe is None and not resume:
        if not plot:
            raise UsageError("Give a RECIPE.toml to train by, or --resume, or --plot to draw the curve of a run.")
        return _draw(run)
    if not paths:
        raise UsageError("Training needs --data PATH.")
    from codectk.train.checkpoint import load_checkpoint
    from codectk.train.loop import CHECKPOINT
    from codectk.train.recipe import from_dict, load_recipe
    from codectk.train.run import train

    if recipe is not None:
        chosen = load_recipe(recipe, overrides)
    else:
        chosen = from_dict(load_checkpoint(run / CHECKPOINT)["recipe"], str(run / CHECKPOINT), overrides)
    outcome = train(chosen, paths, run, resume=resume, device=device, plot=plot, say=_say)
    if outcome.first:
        end = f"{outcome.checkpoint} holds step {outcome.step} of {chosen.optim.steps}"
        if outcome.signal:
            click.echo(f"codectk: interrupted: {end}; go on with --resume.", err=True)
        else:
            click.echo(f"{end}.")
    return 128 + outcome.signal if outcome.signal else 0


def _draw(run: Path) -> int:
    from codectk.train.loop import CURVE, LOG
    from codectk.train.plot import plot_log

    plot_log(run / LOG, run / CURVE)
    click.echo(f"{run / LOG} -> {run / CURVE}")
    return 0


def _say(remark: str) -> None:
    click.echo(f"codectk: note: {remark}", err=True)
