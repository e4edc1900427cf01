"""codectk doctor"""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from typing import Any

import click

from codectk import __version__, spec
from codectk.base import limits
from codectk.bitstream.header import VERSION
from codectk.cli.options import debug_option, json_option
from codectk.cli.output import print_json, print_pairs, print_rows
from codectk.cli.plugins import checked, describe, show
from codectk.cli.selftest import Trial, selftest
from codectk.plugins.discover import PluginRecord, discover, error_of
from codectk.weights.store import store_folder

PACKAGES = ("numpy", "constriction", "pluggy", "click", "rich", "pillow", "torch", "safetensors")
"""Distributions whose versions belong into a bug report."""

VARIABLES = ("CODECTK_HOME", "CODECTK_OFFLINE", "CODECTK_PLUGINS", "CODECTK_STRICT_PLUGINS", "OMP_NUM_THREADS")
"""Environment variables that change what codectk does."""


@click.command("doctor")
@click.option("--no-selftest", is_flag=True, help="Describe only; encode and decode nothing.")
@json_option
@debug_option
def command(no_selftest: bool, as_json: bool) -> int:
    """Describe this installation and test it.

    Imports every plugin, then encodes and decodes a small picture with every codec on every device. The output
    belongs into a bug report. The exit code is that of the worst fault found; a codec whose weights were not pulled yet
    is none.
    """
    torch = _torch()
    records = [checked(record) for record in discover()]
    codecs = [codec.name for record in records if record.card and record.status == "ok" for codec in record.card.codecs]
    trials = [] if no_selftest else list(selftest(codecs, torch["devices"]))
    report = {
        "codectk": __version__,
        "api": spec.API,
        "format_version": VERSION,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpus": os.cpu_count(),
        "packages": {name: _version(name) for name in PACKAGES},
        "torch": torch,
        "weights_store": str(store_folder()),
        "environment": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "limits": {name.lower(): getattr(limits, name) for name in dir(limits) if name.startswith("MAX_")},
    }
    if as_json:
        found = {"plugins": [describe(record) for record in records], "selftest": [asdict(trial) for trial in trials]}
        print_json({**report, **found})
    else:
        _show(report, records, trials)
    return max([0, *(_exit_code(record) for record in records), *(trial.exit_code for trial in trials)])


def _exit_code(record: PluginRecord) -> int:
    return 0 if record.status == "ok" else error_of(record).exit_code


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _torch() -> dict[str, Any]:
    """Return what torch offers; `devices` always has at least the CPU, and `error` says why there is no torch."""
    try:
        import torch
    except Exception as error:  # a torch that does not fit its libraries raises OSError and others
        message = " ".join(str(error).split())
        return {"error": f"{type(error).__name__}: {message}", "devices": ["cpu"], "names": [], "threads": None}
    names = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    return {"error": "", "devices": devices, "names": names, "threads": torch.get_num_threads()}


def _show(report: dict[str, Any], records: Sequence[PluginRecord], trials: Sequence[Trial]) -> None:
    torch = report["torch"]
    print_pairs(
        [
            ("codectk", f"{report['codectk']} (plugin API {report['api']}, format {report['format_version']})"),
            ("python", report["python"]),
            ("platform", f"{report['platform']}, {report['cpus']} CPUs"),
            *((name, version or "not installed") for name, version in report["packages"].items()),
            ("devices", ", ".join([*torch["devices"], *torch["names"]])),
            ("threads", str(torch["threads"]) if not torch["error"] else f"no torch ({torch['error']})"),
            ("weights store", report["weights_store"]),
            *report["environment"].items(),
            *((name.replace("_", " "), f"{value:,}") for name, value in report["limits"].items()),
        ]
    )
    click.echo()
    show(records)
    if trials:
        click.echo()
        print_rows(
            ("codec", "encoded on", "decoded on", "result", "bytes", "PSNR dB", "seconds"),
            [
                (
                    trial.codec,
                    trial.encoded_on,
                    trial.decoded_on,
                    "ok" if trial.ok else trial.reason,
                    str(trial.bytes) if trial.ok else "-",
                    "-" if not trial.ok else "lossless" if trial.psnr is None else f"{trial.psnr:.2f}",
                    f"{trial.seconds:.2f}" if trial.ok else "-",
                )
                for trial in trials
            ],
        )
