"""Options that several verbs share."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, cast

import click

from codectk.base.errors import UsageError
from codectk.base.resources import amount, resources
from codectk.cli.errors import State
from codectk.spec.light import ENGINES

Function = TypeVar("Function", bound=Callable[..., Any])

_FIRST_CLASS = {
    "quality": "0 is the smallest file, 100 the best picture; any number between.",
    "seed": "Start of the random numbers, for codecs that draw some.",
    "steps": "Steps of the sampler, for codecs that have one.",
    "strength": "0 starts the sampler at what the file says, 1 at pure noise, for codecs that have one.",
    "guidance": "How much the sampler heeds what the file says, for codecs that have one; 1 is plain.",
    "realism": "0 is closest to the original, 1 the most natural look.",
}


class _Named(click.types.StringParamType):
    """A text that is not empty: "" would name the working folder, or the root once something is put behind it."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        text = super().convert(value, param, ctx)
        if text == "":
            self.fail("The name is empty.", param, ctx)
        return text


def refuse_empty(command: click.Command) -> click.Command:
    """Let a verb refuse empty texts as arguments and options, but for options that are empty unless given."""
    for param in command.params:
        if isinstance(param.type, click.types.StringParamType) and param.default != "":
            param.type = _Named()
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            refuse_empty(inner)
    return command


def debug_option(function: Function) -> Function:
    """Add --debug; it can stand before or after the verb."""

    def remember(ctx: click.Context, param: click.Parameter, value: bool) -> None:
        if value:
            ctx.ensure_object(State).debug = True

    return click.option(
        "--debug", is_flag=True, expose_value=False, is_eager=True, callback=remember, help="Show tracebacks."
    )(function)


def json_option(function: Function) -> Function:
    """Add --json, passed as `as_json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")(function)


def engine_option(function: Function) -> Function:
    """Add --engine."""
    return click.option(
        "--engine",
        type=click.Choice(ENGINES),
        default="auto",
        show_default=True,
        help="What runs the networks; onnx needs no torch, and auto takes it on the CPU where the codec has graphs.",
    )(function)


def device_option(function: Function) -> Function:
    """Add --device."""
    return click.option(
        "--device", default="cpu", show_default=True, metavar="NAME", help="cpu, cuda, cuda:1, ... as the codec allows."
    )(function)


def resource_options(function: Function) -> Function:
    """Add --max-pixels, --max-memory and --jobs; the verb runs within what they allow."""

    @functools.wraps(function)
    def limited(*args: Any, max_pixels: str | None, max_memory: str | None, jobs: int | None, **options: Any) -> Any:
        if jobs is not None and jobs > 1:
            # One thread each, where nobody asked for more; read when the networks' libraries are imported.
            os.environ.setdefault("OMP_NUM_THREADS", "1")
        given = {"max_pixels": max_pixels, "max_memory": max_memory}
        amounts = {
            name: amount(text, f"--{name.replace('_', '-')}") for name, text in given.items() if text is not None
        }
        with resources(**amounts, jobs=jobs):
            return function(*args, **options)

    made: Any = limited
    for name, text in (
        (
            "max-memory",
            "Refuse what would need more memory than about N, such as 2G; by default the machine's.",
        ),
        ("max-pixels", "Refuse pictures of more pixels than N, such as 50M; files hold 200M at most."),
    ):
        made = click.option(f"--{name}", metavar="N", help=text)(made)
    return click.option(
        "--jobs", type=click.IntRange(min=1), metavar="N", help="Tiles at once; with -r, files at once. Same results."
    )(cast(Function, made))


def archive_options(function: Function) -> Function:
    """Add --recursive and --overwrite."""
    overwrite = click.option(
        "--overwrite", is_flag=True, help="With -r: also replace files in OUT that are not of this archive."
    )
    return click.option(
        "-r", "--recursive", is_flag=True, help="Take all files in folders; OUT is a folder of the same structure."
    )(overwrite(function))


def knob_options(function: Function) -> Function:
    """Add --knob NAME=VALUE and the options for common knobs; what they give is passed as `knobs`."""

    @functools.wraps(function)
    def gathered(*args: Any, pairs: Sequence[str], **options: Any) -> Any:
        first_class = {name: options.pop(name) for name in _FIRST_CLASS}
        return function(*args, knobs=collect_knobs(pairs, **first_class), **options)

    options = [
        click.option(
            "--knob", "pairs", multiple=True, metavar="NAME=VALUE", help="Any knob of the codec; can be repeated."
        )
    ]
    options += [click.option(f"--{name}", metavar="N", help=text) for name, text in reversed(_FIRST_CLASS.items())]
    made: Any = gathered
    for option in options:
        made = option(made)
    return cast(Function, made)


def collect_knobs(pairs: Sequence[str], *, option: str = "--knob", **first_class: str | None) -> dict[str, str]:
    """Gather knobs given as pairs and by options of their own; values stay text, the codec's card judges them.

    `option` is how the pairs were given.

    Raises:
        UsageError: a pair without "=", or a knob given twice.
    """
    knobs = {name: value for name, value in first_class.items() if value is not None}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        name = name.strip().replace("-", "_")
        if not (equals and name and value.strip()):
            raise UsageError(f"A knob is given as {option} NAME=VALUE, not '{pair}'.")
        if name in knobs:
            raise UsageError(f"Knob '{name}' is given twice.")
        knobs[name] = value.strip()
    return knobs
