"""Any exception becomes one line with a stable code and the exit code of its class."""

from __future__ import annotations

import errno

import click
import pytest

from codectk.base import errors
from codectk.cli.errors import State, failure, tell

CLASSES = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.CodectkError)]


def test_stable_codes_are_unique():
    codes = [kind.code for kind in CLASSES]
    assert len(set(codes)) == len(codes)


@pytest.mark.parametrize(
    "kind", [kind for kind in CLASSES if kind is not errors.WeightsAbsentError], ids=lambda kind: kind.__name__
)
def test_exit_code_follows_the_class(kind: type[errors.CodectkError]):
    told = failure(kind("Two\n lines."))
    assert told.exit_code == int(told.code.removeprefix("CTK-E")[0])
    assert str(told) == f"Two lines. [{kind.code}]"


def test_absent_weights_name_the_command_that_fetches_them():
    error = errors.WeightsAbsentError("big", size=20_225_288, package="some-model==1.2", licence="MIT")
    told = failure(error.for_codec("mine"))
    assert str(told) == (
        "mine needs the weights big (20 MB) from the package some-model 1.2 (licence: MIT); "
        "fetch them with 'codectk weights pull mine'. [CTK-E403]"
    )
    assert (told.exit_code, error.for_codec("mine").for_codec("other").codec) == (4, "mine")
    assert "weights pull CODEC" in str(error)


@pytest.mark.parametrize(
    ("error", "words", "exit_code"),
    [
        (FileNotFoundError(errno.ENOENT, "No such file", "x.png"), "x.png: No such file.", 1),
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device.", 1),
        (MemoryError(), "There is not enough memory.", 1),
        (ZeroDivisionError("division\nby zero"), "bug in codectk or a plugin (ZeroDivisionError: division by zero)", 1),
        (OSError("odd"), "bug in codectk or a plugin (OSError: odd)", 1),
        (click.ClickException("clicked"), "clicked", 1),
        (click.UsageError("used wrongly"), "used wrongly.", 2),
    ],
)
def test_other_exceptions(error: Exception, words: str, exit_code: int):
    told = failure(error)
    assert words in told.message and "\n" not in told.message
    assert told.exit_code == exit_code


def test_the_subject_is_named_once(capsys):
    tell(errors.InputError("There is no file a.png."), State(), "a.png")
    tell(errors.ChecksumError("The file is damaged."), State(), "a.ctk")
    assert capsys.readouterr().err.splitlines() == [
        "codectk: error: There is no file a.png. [CTK-E101]",
        "codectk: error: a.ctk: The file is damaged. [CTK-E304]",
    ]
