"""codectk info"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from codectk.cli import batch
from codectk.cli.errors import State, tell
from codectk.cli.options import debug_option, json_option
from codectk.cli.output import print_json, print_pairs, print_rows

if TYPE_CHECKING:
    from codectk.bitstream.info import Info


@click.command("info")
@click.argument("sources", nargs=-1, required=True, metavar="FILE...")
@json_option
@debug_option
@click.pass_obj
def command(state: State, sources: tuple[str, ...], as_json: bool) -> int:
    """Say what .ctk files are and what decodes them.

    Needs neither the file's plugin nor torch. All checks of the container are verified first.
    With --json, one file gives an object, several give a list.
    """
    from codectk import api

    reports: list[dict[str, Any]] = []
    worst = 0
    for source in sources:
        try:
            info = api.info(source)
        except Exception as error:
            told = tell(error, state, source if len(sources) > 1 else "")
            reports.append({"file": source, "error": {"code": told.code, "message": told.message}})
            worst = max(worst, told.exit_code)
            continue
        reports.append({"file": source, **info.to_json()})
        if not as_json:
            _show(source, info)
    if as_json:
        print_json(batch.single(reports))
    return worst


def _show(source: str, info: Info) -> None:
    knobs = ", ".join(f"{name} {value:g}" for name, value in info.knobs.items())
    print_pairs(
        [
            ("file", source),
            ("codec", f"{info.codec} (from {info.codec_distribution})"),
            ("size", f"{info.width} x {info.height} pixels" + (", grey" if info.grey else "")),
            ("bytes", f"{info.bytes:,}"),
            ("rate", f"{info.bpp:.4f} bits per pixel"),
            ("overhead", f"{info.overhead_bytes} bytes"),
            ("knobs", knobs or "none"),
            ("weights", info.weights_hash or "none"),
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
