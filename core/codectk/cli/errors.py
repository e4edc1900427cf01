"""Errors as a person reads them: one line with a stable code; the traceback only with --debug."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass

import click

from codectk.base.errors import CodectkError, UsageError

ABORTED = 130
"""Exit code after Ctrl-C, as shells have it."""

CLOSED_PIPE = 141
"""Exit code where what read the output has ended (`codectk eval ... | head`), as shells have it for SIGPIPE."""


@dataclass
class State:
    """What holds for one run of the command line."""

    debug: bool = False


@dataclass(frozen=True)
class Failure:
    """An error put into words.

    Attributes:
        message: one sentence on one line.
        code: stable code, such as "CTK-E301".
        exit_code: what the process returns.
    """

    message: str
    code: str
    exit_code: int

    def __str__(self) -> str:
        return f"{self.message} [{self.code}]"


def failure(error: BaseException) -> Failure:
    """Put any exception into words."""
    if isinstance(error, CodectkError):
        return Failure(_line(str(error)), error.code, error.exit_code)
    if isinstance(error, click.UsageError):
        where = f"; see '{error.ctx.command_path} --help'" if error.ctx else ""
        return Failure(f"{_line(error.format_message()).rstrip('.')}{where}.", UsageError.code, UsageError.exit_code)
    if isinstance(error, click.ClickException):
        message = _line(error.format_message())
    elif isinstance(error, MemoryError):
        message = "There is not enough memory."
    elif isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
    else:
        message = (
            f"This is a bug in codectk or a plugin ({type(error).__name__}: {_line(str(error))}); "
            "please report it with the output of the same command with --debug."
        )
    return Failure(message, CodectkError.code, CodectkError.exit_code)


def to_stderr(line: str) -> None:
    """Write one line to stderr."""
    click.echo(line, err=True)


def tell(error: BaseException, state: State, subject: str = "", write: Callable[[str], None] = to_stderr) -> Failure:
    """Write an error to stderr.

    Args:
        error: what was raised.
        state: whether to show the traceback too.
        subject: file the error is about, if there are several.
        write: takes the line; a progress bar must be asked to make room for it.

    Raises:
        BrokenPipeError: the error is that nobody reads the output any more, which ends the command quietly.
    """
    if isinstance(error, BrokenPipeError):
        raise error
    if state.debug:
        traceback.print_exception(error, file=sys.stderr)
    told = failure(error)
    about = f"{subject}: " if subject and subject not in told.message else ""
    write(f"codectk: error: {about}{told}")
    return told


def _line(text: str) -> str:
    return " ".join(text.split())
