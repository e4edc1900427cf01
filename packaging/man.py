"""The manual page, from the commands themselves.

python packaging/man.py        # writes packaging/codectk.1 anew
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from codectk import __version__
from codectk.cli.errors import ABORTED, CLOSED_PIPE
from codectk.cli.main import group

PAGE = Path(__file__).with_name("codectk.1")

CODES = {
    0: "all went well",
    1: "an input cannot be used or an output not written",
    2: "an option or a knob is wrong",
    3: "a file is damaged or not ours",
    4: "weights or parameters are not those that made a file",
    5: "a plugin is missing or broken",
    ABORTED: "interrupted",
    CLOSED_PIPE: "what read the output has ended",
}
"""Exit codes; of several inputs, the highest."""

VARIABLES = {
    "CODECTK_MAX_PIXELS": "Refuse pictures of more pixels.",
    "CODECTK_MAX_MEMORY": "Refuse what is estimated to need more memory, such as 2G.",
    "CODECTK_OFFLINE": "With 1, open no socket.",
    "CODECTK_PLUGINS": "Names of the plugins to use, with commas between; all others are left alone.",
}


def page() -> str:
    """The page in the language of man(7)."""
    context = click.Context(group, info_name="codectk")
    lines = [
        f'.TH CODECTK 1 "" "codectk {__version__}" "User Commands"',
        ".SH NAME",
        rf"codectk \- {_text(group.help or '').rstrip('.')}",
        ".SH SYNOPSIS",
        r"\fBcodectk\fR \fIVERB\fR [\fIOPTIONS\fR] \fIARGUMENTS\fR",
    ]
    for verb in group.list_commands(context):
        command = group.get_command(context, verb)
        assert command is not None
        lines += [f".SH CODECTK {verb.upper()}", *_command(command, click.Context(command, context, info_name=verb))]
    lines += [
        ".SH EXIT STATUS",
        *(line for code, why in CODES.items() for line in (".TP", rf"\fB{code}\fR", _text(why))),
    ]
    lines += [".SH ENVIRONMENT"]
    lines += [line for name, what in VARIABLES.items() for line in (".TP", rf"\fB{name}\fR", _text(what))]
    return "\n".join(lines) + "\n"


def _command(command: click.Command, context: click.Context) -> Iterator[str]:
    yield _text(" ".join([context.command_path, *command.collect_usage_pieces(context)]))
    for paragraph in (command.help or "").split("\n\n"):
        yield from (".PP", _text(paragraph))
    for param in command.params:
        record = param.get_help_record(context)
        if record is not None and isinstance(param, click.Option):
            yield from (".TP", rf"\fB{_text(record[0])}\fR", _text(record[1]))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield f".SS codectk {context.info_name} {name}"
            yield from _command(inner, click.Context(inner, context, info_name=name))


def _text(text: str) -> str:
    """A paragraph, with what man(7) would take for commands made harmless."""
    line = " ".join(text.split()).replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{line}" if line.startswith((".", "'")) else line


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
