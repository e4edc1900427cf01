"""What `codectk info` says about a bundle, and how one that made a file gets into the store."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from codectk.cli.output import print_pairs, print_rows

if TYPE_CHECKING:
    from codectk.weights.bundle import Bundle


def report(bundle: Bundle) -> dict[str, Any]:
    """All that is known of a bundle, as plain values; needs neither its plugins nor torch."""
    from codectk.pipeline.bundles import parts_of
    from codectk.plugins.discover import installed
    from codectk.plugins.known import install_line
    from codectk.weights.bundle import SUFFIX
    from codectk.weights.store import label_of, stored

    card = bundle.card
    here = {record.name: record.version for record in installed()}
    return {
        "bundle": card.name,
        "title": card.title,
        "sha256": bundle.sha256,
        "bytes": bundle.bytes,
        "weights_bytes": bundle.weights.size,
        "parts": [{"slot": slot, "name": name} for slot, name in parts_of(bundle)],
        "plugins": [{**asdict(plugin), "installed": here.get(plugin.name)} for plugin in card.plugins],
        "install": install_line(" ".join(card.distributions)),
        "licence": card.licence,
        "data": card.data,
        "training": card.training,
        "steps": card.steps,
        "results": [{"on": result.on, "values": dict(result.values)} for result in card.results],
        "in_store": (card.name, bundle.sha256[:8]) in map(label_of, stored(SUFFIX)),
    }


def show(source: str, found: dict[str, Any]) -> None:
    """Print a report for people."""
    parts = ", ".join(f"{part['slot']} {part['name']}" for part in found["parts"])
    print_pairs(
        [
            ("file", source),
            ("bundle", found["bundle"]),
            ("title", found["title"]),
            ("bytes", f"{found['bytes']:,}"),
            ("sha256", found["sha256"]),
            ("parts", parts or "none that can be read"),
            ("plugins", ", ".join(map(_plugin, found["plugins"]))),
            ("licence", found["licence"]),
            ("data", found["data"] or "not said"),
            ("training", found["training"] or "not said"),
            ("steps", f"{found['steps']:,}" if found["steps"] else "not said"),
            ("in the store", "yes" if found["in_store"] else "no"),
        ]
    )
    if found["results"]:
        names = list(dict.fromkeys(name for result in found["results"] for name in result["values"]))
        click.echo()
        rows = [
            [r["on"], *(f"{r['values'][n]:.4g}" if n in r["values"] else "-" for n in names)] for r in found["results"]
        ]
        print_rows(["measured on", *names], rows)
    # Not in the table: lines to copy must never be folded.
    click.echo(f"\nTo use it: {found['install']}\n           codectk encode --codec {source} ...")
    click.echo(f"To decode its files: codectk weights import {source}")


def _plugin(plugin: dict[str, Any]) -> str:
    made = f"{plugin['name']} ({plugin['distribution']} {plugin['version']}"
    if plugin["installed"] is None:
        return f"{made}, not installed)"
    return f"{made})" if plugin["installed"] == plugin["version"] else f"{made}, here {plugin['installed']})"
