"""codectk export"""

from __future__ import annotations

from dataclasses import asdict, replace
from importlib.util import find_spec
from pathlib import Path

import click

from codectk.base.errors import OutputError, UsageError
from codectk.base.outputs import Outputs
from codectk.base.toml import to_toml
from codectk.cli.options import debug_option
from codectk.plugins.known import install_line
from codectk.weights.store import sha256_of

WEIGHTS, BUNDLE, GRAPHS = ".safetensors", ".ctkb", ".graphs"


@click.command("export")
@click.argument("source", metavar="CHECKPOINT.pt")
@click.option(
    "-o", "--output", required=True, metavar="OUT", help=f"The weights file ({WEIGHTS}) or bundle ({BUNDLE}) to write."
)
@click.option(
    "--light",
    is_flag=True,
    help=f"Beside the weights the graphs ({GRAPHS}) with which they run without torch; takes minutes.",
)
@click.option("--raw", is_flag=True, help="The weights as trained instead of their moving average.")
@click.option("--licence", default="", metavar="TEXT", help="Of the weights.")
@click.option("--title", default="", metavar="TEXT", help="Of the bundle, one line.")
@click.option("--data", default="", metavar="TEXT", help="What it was trained on, for the bundle's card.")
@click.option("--results", metavar="JSON", help="What 'codectk eval --json' measured with it, for the bundle's card.")
@debug_option
def command(
    source: str, output: str, light: bool, raw: bool, licence: str, title: str, data: str, results: str | None
) -> int:
    """Turn a training checkpoint into weights or a bundle.

    Weights are chosen with 'codectk encode --codec NAME --weights'; the entry for the plugin's weights.toml is printed.
    A bundle is a codec of its own, named after its file, for 'codectk encode --codec OUT.ctkb'; it can also be
    made from a weights file or another bundle in place of the checkpoint. Graphs alone (OUT.graphs) are made from a
    weights file; they fit all weights of the same configuration.
    """
    path = Path(output)
    if path.suffix not in (WEIGHTS, BUNDLE, GRAPHS):
        raise OutputError(f"'{path}' ends in none of {WEIGHTS}, {BUNDLE} and {GRAPHS}.")
    if light and path.suffix != WEIGHTS:
        raise UsageError(f"--light makes graphs beside a weights file, {path.stem}{WEIGHTS}.")
    if path.suffix == GRAPHS and Path(source).suffix != WEIGHTS:
        raise UsageError(f"Graphs are made from a weights file, not from '{source}'.")
    outputs = Outputs(filter(None, (source, results)))
    outputs.write(output)
    if light:
        outputs.write(str(path.with_suffix(GRAPHS)))
    if path.suffix == GRAPHS:
        _graphs(Path(source), path)
        return 0
    if path.suffix == BUNDLE:
        return _bundle(source, path, raw, {"licence": licence, "title": title, "data": data}, results)
    if title or data or results:
        raise UsageError(f"--title, --data and --results are for a bundle, {path.stem}{BUNDLE}.")
    if Path(source).suffix in (WEIGHTS, BUNDLE):
        raise UsageError(f"'{source}' holds finished weights; only a bundle can be made of them.")
    from codectk.train.exporting import export

    done = export(Path(source), path, raw=raw)
    kind = "as trained" if raw else "moving average"
    click.echo(
        f"{source} -> {path}: {done.codec}, step {done.step} ({kind}), {done.bytes:,} bytes, sha256 {done.sha256}",
        err=True,
    )
    entry = done.entry(licence)
    if light:
        entry = replace(entry, graphs_sha256=_graphs(path, path.with_suffix(GRAPHS)))
    fields = {key: value for key, value in asdict(entry).items() if value or key == "licence"}
    click.echo(to_toml({"weights": [fields]}), nl=False)
    return 0


def _graphs(weights: Path, path: Path) -> str:
    """Make graphs; their sha256."""
    if missing := [name for name in ("torch", "onnx", "onnxscript") if find_spec(name) is None]:
        raise UsageError(f"Making graphs needs the package {missing[0]}: {install_line('codectk[export]')}")
    from codectk.nn.graphs import export_graphs

    made = export_graphs(weights, path)
    digest = sha256_of(path)
    size = f"{len(made.graphs)} graphs, {path.stat().st_size:,} bytes"
    click.echo(f"{weights} -> {path}: {size}, graphs_sha256 {digest}", err=True)
    return digest


def _bundle(source: str, path: Path, raw: bool, words: dict[str, str], results: str | None) -> int:
    from codectk.train.exporting import NO_LICENCE, export_bundle

    made = export_bundle(Path(source), path, raw=raw, results=Path(results) if results else None, **words)
    click.echo(f"{source} -> {path}: {made.card.title}, {made.bytes:,} bytes, sha256 {made.sha256}")
    if made.card.licence == NO_LICENCE:
        click.echo("codectk: note: without --licence nobody else may use the bundle.", err=True)
    click.echo(f"Use it with: codectk encode --codec {path} ...")
    click.echo(f"Who wants to decode its files needs: codectk weights import {path.name}")
    return 0
