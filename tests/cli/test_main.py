"""The verb table, help, usage errors and --debug."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys

import click
import pytest

from codectk import __version__
from codectk.cli.main import VERBS, group


@pytest.mark.parametrize("verb", VERBS)
def test_the_table_says_what_the_modules_say(verb: str):
    module, line = VERBS[verb]
    command = importlib.import_module(module).command
    assert isinstance(command, click.Command)
    assert command.name == verb
    assert (command.help or "").split("\n\n")[0] == line


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_help_and_debug(run, verb: str):
    result = run(verb, "--help")
    assert result.code == 0 and "--debug" in result.out and VERBS[verb][1] in result.out


@pytest.mark.parametrize("args", [(), ("--help",), ("-h",)])
def test_help_lists_every_verb(run, args: tuple[str, ...]):
    result = run(*args)
    assert result.code == 0 and result.err == ""
    for verb, (_, line) in VERBS.items():
        assert f"  {verb} " in result.out and line in result.out


def test_version(run):
    assert run("--version").out == f"codectk {__version__}\n"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("compress",), "No such command 'compress'; see 'codectk --help'."),
        (("encode",), "Missing argument 'IN...'; see 'codectk encode --help'."),
        (("encode", "a.png"), "Missing option '-o' / '--output'; see 'codectk encode --help'."),
        (("info", "--colour", "a.ctk"), "No such option"),  # the rest is click's, by its version
        (("encode", "a.png", "-o", "a.ctk", "--target-bpp", "much"), "'much' is not a valid float; see"),
    ],
)
def test_usage_errors_are_one_line(run, args: tuple[str, ...], words: str):
    result = run(*args)
    assert result.code == 2 and result.out == ""
    assert words in result.err and result.err.count("\n") == 1 and result.err.endswith("[CTK-E200]\n")


@pytest.mark.parametrize("args", [("--debug", "info", "missing.ctk"), ("info", "missing.ctk", "--debug")])
def test_debug_shows_the_traceback_and_the_same_line(run, args: tuple[str, ...]):
    plain, debugged = run("info", "missing.ctk"), run(*args)
    assert plain.code == debugged.code == 1
    assert "Traceback" not in plain.err
    assert "Traceback" in debugged.err and debugged.err.endswith(plain.err)


def test_every_verb_is_reachable_through_the_group():
    with click.Context(group) as ctx:
        assert [group.get_command(ctx, verb).name for verb in group.list_commands(ctx)] == list(VERBS)  # type: ignore[union-attr]
        assert group.get_command(ctx, "compress") is None


@pytest.mark.parametrize("name", ["a\udcff.ctk", "größe.ctk"])
def test_a_file_name_beyond_the_terminals_encoding(name: str):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii:strict"}
    command = [sys.executable, "-m", "codectk", "info", name, "--json"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 1 and json.loads(result.stdout)["file"] == name
    assert result.stderr.count("\n") == 1 and "No such file" in result.stderr


def test_a_closed_pipe_is_no_error_message():
    command = f"{sys.executable} -m codectk --help | true"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in result.stderr and "bug" not in result.stderr
