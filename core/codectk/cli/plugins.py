"""codectk plugins"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any

import click

from codectk.base.errors import PluginError
from codectk.cli.options import debug_option, json_option
from codectk.cli.output import print_json, print_rows
from codectk.plugins.discover import PluginRecord, discover
from codectk.plugins.known import install_line, known_codecs


@click.command("plugins")
@click.option("--check", is_flag=True, help="Also import each plugin, which may take seconds, to see whether it loads.")
@json_option
@debug_option
def command(check: bool, as_json: bool) -> None:
    """List plugins, their codecs and components, and their state.

    Plugins are described by their cards and not imported, so "ok" means that the installation is in order; with
    --check it also means that the import succeeded. CODECTK_PLUGINS=a,b leaves all others out,
    CODECTK_STRICT_PLUGINS=1 makes the first faulty plugin an error.
    """
    records = [checked(record) for record in discover()] if check else discover()
    offered = {codec.name for record in records if record.card for codec in record.card.codecs}
    missing = {codec: owner for codec, owner in known_codecs().items() if codec not in offered}
    if as_json:
        print_json(
            {
                "plugins": [describe(record) for record in records],
                "not_installed": [
                    {"codec": codec, "distribution": owner, "install": install_line(owner)}
                    for codec, owner in missing.items()
                ],
            }
        )
        return
    show(records)
    click.echo()
    for codec, owner in missing.items():
        click.echo(f"Not installed: {codec} ({install_line(owner)})")


def checked(record: PluginRecord) -> PluginRecord:
    """Import a plugin that is ok so far; one that fails comes back as broken.

    Raises:
        PluginError: it fails and CODECTK_STRICT_PLUGINS is "1".
    """
    from codectk.plugins import manager
    from codectk.plugins.discover import is_strict

    if record.status != "ok":
        return record
    try:
        manager.load(record.name)
    except PluginError as error:
        if is_strict():
            raise
        return replace(record, status="broken", reason=str(error))
    return record


def describe(record: PluginRecord) -> dict[str, Any]:
    """Return a plugin as plain values."""
    card = record.card
    return {
        "name": record.name,
        "distribution": record.distribution,
        "version": record.version,
        "module": record.module,
        "status": record.status,
        "reason": record.reason,
        "title": card.title if card else "",
        "licence": card.licence if card else "",
        "codecs": [{**asdict(codec), "knobs": _knobs(codec.knobs.values())} for codec in card.codecs] if card else [],
        "components": [asdict(component) for component in card.components] if card else [],
    }


def show(records: Sequence[PluginRecord]) -> None:
    """Print plugins as a table, and below it why some cannot be used."""
    if not records:
        click.echo("No plugins.")
        return
    rows = []
    for record in records:
        codecs = record.card.codecs if record.card else ()
        components = record.card.components if record.card else ()
        rows.append(
            (
                record.name,
                f"{record.distribution} {record.version}",
                record.status,
                ", ".join(codec.name for codec in codecs) or "-",
                ", ".join(component.id for component in components) or "-",
            )
        )
    print_rows(("plugin", "distribution", "status", "codecs", "components"), rows)
    for record in records:
        if record.reason:
            # Not in the table: it may hold a command to copy, which must not be folded.
            click.echo(f"{record.name} is {record.status}: {record.reason}")


def _knobs(knobs: Any) -> list[dict[str, Any]]:
    return [asdict(knob) for knob in knobs]
