"""The `codectk` command. A verb's module is imported when the verb is used, so help costs nothing."""

from __future__ import annotations

import importlib
import io
import os
import sys
import warnings
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NoReturn

import click

from codectk import __version__
from codectk.base.memory import keep_freed_memory
from codectk.cli.errors import ABORTED, CLOSED_PIPE, State, tell
from codectk.cli.options import debug_option, refuse_empty

VERBS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "encode": ("codectk.cli.encode", "Turn pictures into .ctk files."),
        "decode": ("codectk.cli.decode", "Turn .ctk files back into pictures."),
        "edit": ("codectk.cli.edit", "Change what a picture shows, inside its .ctk file."),
        "info": ("codectk.cli.info", "Say what .ctk files are and what decodes them."),
        "verify": ("codectk.cli.verify", "Check that .ctk files are whole and decodable."),
        "plugins": ("codectk.cli.plugins", "List plugins, their codecs and components, and their state."),
        "weights": ("codectk.cli.weights", "List, verify, import and pull weights."),
        "eval": ("codectk.cli.eval", "Measure rate and distortion of codecs on pictures."),
        "compare": ("codectk.cli.compare", "Show pictures by several codecs at equal bytes, on one page."),
        "run": ("codectk.cli.run", "Encode, decode and evaluate pictures with the codec of a recipe."),
        "train": ("codectk.cli.train", "Train a codec by a recipe."),
        "export": ("codectk.cli.export", "Turn a training checkpoint into weights or a bundle."),
        "new": ("codectk.cli.new", "Write a plugin that works, to start from."),
        "doctor": ("codectk.cli.doctor", "Describe this installation and test it."),
    }
)
"""Verb to its module, which has a click command named `command`, and its line in the help."""


class Verbs(click.Group):
    """A group whose list of verbs is a table."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        command = importlib.import_module(VERBS[cmd_name][0]).command
        assert isinstance(command, click.Command)
        return refuse_empty(command)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, line) for verb, (_, line) in VERBS.items()])


@click.command(
    cls=Verbs,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Exit codes: 0 ok, 1 user error, 2 usage, 3 damaged or foreign file, "
    "4 weights or parameters do not match, 5 plugin missing or broken.",
)
@click.version_option(__version__, prog_name="codectk", message="%(prog)s %(version)s")
@debug_option
def group() -> None:
    """Learned image codecs in one checked, self-describing file format."""


def run(args: Sequence[str]) -> int:
    """Run one command line and return its exit code; whatever goes wrong becomes one line on stderr."""
    state, stdout = State(), sys.stdout
    try:
        # With standalone_mode off, click returns what the verb returned, or the code given to ctx.exit.
        result = group.main(list(args) or ["--help"], prog_name="codectk", standalone_mode=False, obj=state)
    except click.Abort:
        click.echo("codectk: aborted", err=True)
        return ABORTED
    except BrokenPipeError:
        return CLOSED_PIPE
    except SystemExit:
        if sys.stdout is not stdout:  # click met the closed pipe, and wraps what would complain later
            return CLOSED_PIPE
        raise
    except Exception as error:
        return tell(error, state).exit_code
    return result if isinstance(result, int) else 0


def main() -> NoReturn:
    """Entry point of the console script."""
    for stream in (sys.stdout, sys.stderr):
        # A file name that the terminal's encoding lacks is no reason to fail.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # libraries' remarks to programmers; -W and PYTHONWARNINGS bring them back
    if not {"-h", "--help", "--version"} & set(sys.argv):
        keep_freed_memory()
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = CLOSED_PIPE
    if code == CLOSED_PIPE:
        # What is still in the buffer goes nowhere, or the interpreter would complain about it when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)
