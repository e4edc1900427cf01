"""codectk info"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from codectk.base.errors import CodectkError
from codectk.base.inputs import Data, read_bytes, stdin_or
from codectk.base.limits import MAX_FILE_BYTES
from codectk.cli import batch
from codectk.cli.errors import State, tell
from codectk.cli.notes import note
from codectk.cli.options import debug_option, json_option
from codectk.cli.output import print_json, print_pairs, print_rows

if TYPE_CHECKING:
    from codectk.bitstream.info import Info
    from codectk.spec.summary import Summary

BUNDLE = ".ctkb"

MOST_SHARES = 12
"""Names that are listed of those that have shares."""


@click.command("info")
@click.argument("sources", nargs=-1, required=True, metavar="FILE...")
@json_option
@debug_option
@click.pass_obj
def command(state: State, sources: tuple[str, ...], as_json: bool) -> int:
    """Say what .ctk files are and what decodes them.

    Of a bundle (.ctkb), say what is in it. Needs neither the file's plugin nor torch; some plugins, where they are
    installed, add what is in their files. All checks are verified first. If the end of a layered codec's file is
    missing, the layers that are whole are listed.
    With --json, one file gives an object, several give a list.
    """
    reports: list[dict[str, Any]] = []
    worst = 0
    for source in sources:
        describe = _bundle if source.lower().endswith(BUNDLE) else _file
        try:
            described = describe(source, as_json)
        except Exception as error:
            told = tell(error, state, source if len(sources) > 1 else "")
            reports.append({"file": source, "error": {"code": told.code, "message": told.message}})
            worst = max(worst, told.exit_code)
            continue
        reports.append({"file": source, **described})
    if as_json:
        print_json(batch.single(reports))
    return worst


def _file(source: str, as_json: bool) -> dict[str, Any]:
    from codectk import api

    data = read_bytes(stdin_or(source), MAX_FILE_BYTES, "A .ctk file")
    info = api.info(data)
    summary = _summary(source, data)
    if not as_json:
        _show(source, info, summary)
    return {**info.to_json(), **({"summary": summary} if summary else {})}


def _summary(source: str, data: Data) -> Summary:
    """What the file's plugin says about it; where that fails, all else is still worth showing."""
    from codectk import api

    try:
        return api.summary(data)
    except CodectkError as error:
        click.echo(note(source, f"What is in it cannot be told: {error}"), err=True)
        return {}


def _bundle(source: str, as_json: bool) -> dict[str, Any]:
    from codectk.cli import bundles  # what it needs would slow down the start for .ctk files
    from codectk.weights.bundle import read_bundle

    found = bundles.report(read_bundle(source))
    if not as_json:
        bundles.show(source, found)
    return found


def _layers(info: Info) -> str:
    """The bytes of each layer, and whether that is all."""
    base, *more = info.layers
    listed = ", ".join([f"base {base:,}", *(f"{number}: {size:,}" for number, size in enumerate(more, 1))])
    return f"{listed} bytes" + ("" if info.complete else "; the end of the file is missing or damaged")


def _shares(shares: Mapping[str, float]) -> str:
    """The largest, such as "sky 60 %, sea 40 %", and how many there are besides."""
    listed = [f"{name} {_percent(share)}" for name, share in list(shares.items())[:MOST_SHARES]]
    more = len(shares) - len(listed)
    return ", ".join([*listed, *([f"and {more} more"] if more else [])])


def _percent(share: float) -> str:
    return "< 1 %" if 0 < share < 0.005 else f"{100 * share:.0f} %"


def _show(source: str, info: Info, summary: Summary) -> None:
    knobs = ", ".join(f"{name} {value:g}" for name, value in info.knobs.items())
    edits = ", ".join(f"{name} {amount:+g}" for name, amount in info.edits.items())
    print_pairs(
        [
            ("file", source),
            ("codec", f"bundle {info.codec}" if info.needs else f"{info.codec} (from {info.codec_distribution})"),
            ("size", f"{info.width} x {info.height} pixels" + (", grey" if info.grey else "")),
            ("bytes", f"{info.bytes:,}"),
            ("rate", f"{info.bpp:.4f} bits per pixel"),
            ("overhead", f"{info.overhead_bytes} bytes"),
            ("knobs", knobs or "none"),
            *([("edits", edits)] if edits else []),
            *((name, value if isinstance(value, str) else _shares(value)) for name, value in summary.items()),
            *([("layers", _layers(info))] if len(info.layers) > 1 or not info.complete else []),
            ("bundle" if info.needs else "weights", info.weights_hash or "none"),
            ("portable", "yes" if info.portable else "no: decode on the kind of machine that encoded it"),
            ("format", f"version {info.format_version}"),
        ]
    )
    click.echo()
    print_rows(
        ("chunk", "bytes", "critical", "check"),
        [(chunk.tag, f"{chunk.bytes:,}", "yes" if chunk.critical else "no", chunk.check) for chunk in info.chunks],
    )
    # Not in the table: a line to copy must never be folded.
    click.echo(f"\nTo decode it: {info.install}")
    if info.needs:
        click.echo(f"              codectk weights import {info.codec}.ctkb  (sha256 {info.weights_hash}...)")
