"""codectk export"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from codectk.base.errors import OutputError
from codectk.cli.options import debug_option

SUFFIX = ".safetensors"


@click.command("export")
@click.argument("checkpoint", metavar="CHECKPOINT.pt")
@click.option("-o", "--output", required=True, metavar=f"OUT{SUFFIX}", help="The weights file to write.")
@click.option("--raw", is_flag=True, help="The weights as trained instead of their moving average.")
@click.option("--licence", default="", metavar="TEXT", help="For the manifest's entry.")
@debug_option
def command(checkpoint: str, output: str, raw: bool, licence: str) -> int:
    """Turn a training checkpoint into weights that code.

    Prints the entry for the plugin's weights.toml.
    """
    path = Path(output)
    if path.suffix != SUFFIX:
        raise OutputError(f"'{path}' does not end in {SUFFIX}.")
    from codectk.train.export import export

    done = export(Path(checkpoint), path, raw=raw)
    kind = "as trained" if raw else "moving average"
    click.echo(
        f"{checkpoint} -> {path}: {done.codec}, step {done.step} ({kind}), {done.bytes:,} bytes, sha256 {done.sha256}",
        err=True,
    )
    fields = {key: value for key, value in asdict(done.entry(licence)).items() if value or key == "licence"}
    # Strings of JSON are strings of TOML.
    click.echo("\n".join(["[[weights]]", *(f"{key} = {json.dumps(value)}" for key, value in fields.items())]))
    return 0
