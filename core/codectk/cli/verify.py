"""codectk verify"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import click

from codectk.base.errors import BitstreamError, CodectkError, MismatchError, PluginMissingError, WeightsError
from codectk.base.inputs import read_bytes, stdin_or
from codectk.base.limits import MAX_FILE_BYTES
from codectk.cli import batch
from codectk.cli.errors import State, tell, to_stderr
from codectk.cli.notes import notes
from codectk.cli.options import debug_option, device_option, engine_option, json_option
from codectk.cli.output import print_json, print_rows

CHECKS = {
    "container": "structure, sizes and the check of every chunk",
    "weights": "the installed weights are those that made the file",
    "latents": "entropy decoding to the end, with the right digest",
}
"""What is checked, in this order."""


@dataclass(frozen=True)
class Check:
    """One check and its outcome: "not checked" is neither good nor bad news about the file."""

    name: str
    state: Literal["ok", "failed", "not checked"]
    reason: str = ""
    error: CodectkError | None = None

    def to_json(self) -> dict[str, str]:
        """The check as plain values; `code` is "" unless it failed."""
        code = self.error.code if self.error else ""
        return {"name": self.name, "state": self.state, "reason": self.reason, "code": code}


@click.command("verify")
@click.argument("sources", nargs=-1, required=True, metavar="FILE...")
@click.option("--quick", is_flag=True, help="Check the container only; loads no plugin.")
@click.option("--strict", is_flag=True, help="Count a check that could not be made as failed.")
@device_option
@engine_option
@json_option
@debug_option
@click.pass_obj
def command(
    state: State, sources: tuple[str, ...], quick: bool, strict: bool, device: str, engine: str, as_json: bool
) -> int:
    """Check that .ctk files are whole and decodable.

    The container is always checked. If the file's plugin is installed, its latents are also decoded and their digest
    compared; no picture is made. Each check is ok, failed or not checked.
    """
    reports: list[dict[str, Any]] = []
    worst = 0
    for source in sources:
        subject = source if len(sources) > 1 else ""
        try:
            checks = verify(source, device, engine, quick=quick)
        except Exception as error:
            told = tell(error, state, subject)
            reports.append({"file": source, "error": {"code": told.code, "message": told.message}})
            worst = max(worst, told.exit_code)
            continue
        states = [check.state for check in checks]
        verdict = next((bad for bad in ("failed", "not checked") if bad in states), "ok")
        reports.append({"file": source, "state": verdict, "checks": [check.to_json() for check in checks]})
        if not as_json:
            _show(subject, checks)
        worst = max(worst, _told(subject, checks, state, strict=strict))
    if as_json:
        print_json(batch.single(reports))
    return worst


def verify(source: str, device: str = "cpu", engine: str = "auto", *, quick: bool = False) -> list[Check]:
    """Make all checks that can be made; one outcome per name in CHECKS.

    Raises:
        InputError: the file cannot be read.
    """
    from codectk import api

    data = read_bytes(stdin_or(source), MAX_FILE_BYTES, "A .ctk file")
    try:
        api.verify(data)
    except BitstreamError as error:
        return [
            Check("container", "failed", str(error), error),
            *_unchecked("The container is damaged.", "weights", "latents"),
        ]
    whole = Check("container", "ok")
    if quick:
        return [whole, *_unchecked("--quick was given.", "weights", "latents")]

    from codectk.bitstream.reader import read
    from codectk.pipeline.decode import check_latents
    from codectk.pipeline.load import load_for
    from codectk.pipeline.sources import sound

    container = read(data)
    with notes(source, to_stderr):
        sound(container.chunks)
    try:
        ready = load_for(container.header, device=device, engine=engine)
    except WeightsError as error:
        return [whole, *_wrong_weights(error)]
    except CodectkError as error:
        # The file is not at fault if this installation cannot run its codec.
        return [whole, *_unchecked(str(error), "weights", "latents")]
    right = Check("weights", "ok")
    try:
        check_latents(container, ready)
    except WeightsError as error:
        return [whole, *_wrong_weights(error)]
    except (BitstreamError, MismatchError) as error:
        return [whole, right, Check("latents", "failed", str(error), error)]
    except CodectkError as error:
        return [whole, right, *_unchecked(str(error), "latents")]
    return [whole, right, Check("latents", "ok")]


def _wrong_weights(error: WeightsError) -> list[Check]:
    return [Check("weights", "failed", str(error), error), *_unchecked("The right weights are needed.", "latents")]


def _unchecked(reason: str, *names: str) -> list[Check]:
    return [Check(name, "not checked", reason) for name in names]


def _show(subject: str, checks: Sequence[Check]) -> None:
    if subject:
        click.echo(subject)
    print_rows(("check", "of", "state"), [(check.name, CHECKS[check.name], check.state) for check in checks])
    unchecked: dict[str, list[str]] = {}
    for check in checks:
        if check.state == "not checked":
            unchecked.setdefault(check.reason, []).append(check.name)
    for reason, names in unchecked.items():
        click.echo(f"Not checked ({', '.join(names)}): {reason}")


def _told(subject: str, checks: Sequence[Check], state: State, *, strict: bool) -> int:
    """Write failures to stderr and return the exit code of the worst."""
    worst = 0
    for check in checks:
        if check.error:
            worst = max(worst, tell(check.error, state, subject).exit_code)
    skipped = [check for check in checks if check.state == "not checked"]
    if strict and skipped and not worst:
        error = PluginMissingError(f"Not everything could be checked: {skipped[0].reason}")
        worst = tell(error, state, subject).exit_code
    return worst
