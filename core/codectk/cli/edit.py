"""codectk edit"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from codectk.base.errors import OutputError, UsageError
from codectk.base.inputs import stdin_or
from codectk.cli import batch
from codectk.cli.batch import Done, Job
from codectk.cli.errors import State
from codectk.cli.options import debug_option, json_option
from codectk.cli.output import Bar, print_json, print_rows

if TYPE_CHECKING:
    from codectk.spec.edits import Edit

SUFFIX = ".ctk"


@click.command("edit")
@click.argument("source", required=False, metavar="[FILE]")
@click.option("-o", "--output", metavar="OUT", help=f"The edited {SUFFIX} file; may be FILE itself.")
@click.option(
    "--set", "pairs", multiple=True, metavar="NAME=AMOUNT", help="Amount of an edit; 0 removes it. Repeatable."
)
@click.option("--clear", is_flag=True, help="Remove all edits that FILE carries; --set then adds.")
@click.option("--list", "listed", is_flag=True, help="List the edits of FILE's codec, or of --codec.")
@click.option("--codec", metavar="NAME", help="With --list: a codec instead of a file.")
@json_option
@debug_option
@click.pass_obj
def command(
    state: State,
    source: str | None,
    output: str | None,
    pairs: tuple[str, ...],
    clear: bool,
    listed: bool,
    codec: str | None,
    as_json: bool,
) -> int:
    """Change what a picture shows, inside its .ctk file.

    The picture is not decoded and its latents stay as they are: the file carries the amounts, and the decoder makes the
    edits. They can be changed again, and --clear gives back the file as it was encoded.
    """
    if listed:
        _check_alone(pairs or clear or output)
        _list(source, codec, as_json)
        return 0
    if codec is not None:
        raise UsageError("--codec belongs to --list; a file names its codec itself.")
    if source is None or not (pairs or clear):
        raise UsageError("Give a file and --set NAME=AMOUNT or --clear, or --list; see 'codectk edit --help'.")
    if output is None:
        raise UsageError("Give the file to write with -o.")
    return _edit(source, output, _amounts(pairs), clear, state, as_json)


def _check_alone(given: object) -> None:
    if given:
        raise UsageError("--list only lists; leave out --set, --clear and -o.")


def _amounts(pairs: Sequence[str]) -> dict[str, str]:
    """Amounts as text by name; the edits judge them."""
    amounts: dict[str, str] = {}
    for pair in pairs:
        name, equals, amount = (part.strip() for part in pair.partition("="))
        if not (equals and name and amount):
            raise UsageError(f"An edit is given as --set NAME=AMOUNT, such as --set smile=+1.5, not '{pair}'.")
        if name in amounts:
            raise UsageError(f"Edit '{name}' is given twice.")
        amounts[name] = amount
    return amounts


def _edit(source: str, output: str, amounts: Mapping[str, str], clear: bool, state: State, as_json: bool) -> int:
    from codectk import api

    (job,) = batch.plan([source], output, SUFFIX, in_place=True)
    if not job.to_stdout and job.target.suffix.lower() != SUFFIX:
        raise OutputError(f"'{job.target}' does not end in {SUFFIX}.")

    def work(job: Job, bar: Bar) -> Done:
        data = api.edit(job.open(), amounts, clear=clear)
        job.write(data)
        edits = api.info(data).edits
        shown = ", ".join(f"{name} {amount:+g}" for name, amount in edits.items()) or "no edits"
        return Done(f"{job.source} -> {job.target}: {len(data):,} bytes, {shown}", {"bytes": len(data), "edits": edits})

    return batch.run([job], work, state, as_json=as_json)


def _list(source: str | None, codec: str | None, as_json: bool) -> None:
    if (source is None) == (codec is None):
        raise UsageError("Give a file or --codec NAME to list the edits of.")
    known, carried = (_of_codec(codec), {}) if codec is not None else _of_file(str(source))
    rows: list[dict[str, Any]] = [{**asdict(edit), "amount": carried.get(name, 0.0)} for name, edit in known.items()]
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo("There is nothing to edit in files of this codec.")
    else:
        print_rows(
            ("edit", "range", "unit", "amount", "what it does"),
            [
                (
                    row["name"],
                    f"{_signed(row['minimum'])} to {_signed(row['maximum'])}",
                    row["unit"] or "-",
                    _signed(row["amount"]) if row["amount"] else "-",
                    row["summary"],
                )
                for row in rows
            ],
        )


def _signed(amount: float) -> str:
    return f"{amount:+g}" if amount else "0"


def _of_codec(codec: str) -> Mapping[str, Edit]:
    from codectk.plugins.manager import edits_of

    return edits_of(codec)


def _of_file(source: str) -> tuple[Mapping[str, Edit], Mapping[str, float]]:
    """The edits that a file can carry, and the amounts of those it does."""
    from codectk import api
    from codectk.plugins.manager import edits_of

    info = api.info(stdin_or(source))
    if info.needs:  # a bundle
        return {}, {}
    return edits_of(info.codec, distribution=info.codec_distribution), info.edits
