"""Metrics by name: those of the core beyond PSNR and MS-SSIM, and those of plugins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codectk.base.errors import ContractError, UsageError
from codectk.metrics.butteraugli import Butteraugli
from codectk.metrics.ssimulacra2 import Ssimulacra2
from codectk.metrics.weight_files import FID_FILE, LPIPS_FILE, find
from codectk.plugins import manager
from codectk.spec.metrics import AnyMetric, label

if TYPE_CHECKING:
    from codectk.metrics.fid import PatchFeatures

BUILT_IN = ("ssimulacra2", "butteraugli", "lpips", "fid", "kid")
"""Names of the core's own metrics."""


def build(
    names: Sequence[str], device: str = "cpu", weights: Mapping[str, Path | str | None] | None = None
) -> list[AnyMetric]:
    """Metrics by name.

    Args:
        names: of `BUILT_IN`, or component ids of plugins such as "mine.gmsd"; one given twice counts once.
        device: where networks run.
        weights: files for "lpips" and "fid"; see `weight_files.find` for what is used where there is none.

    Raises:
        UsageError: an unknown name, two metrics with one label, or a program that is not here.
        WeightsError: the weights are missing or not the right ones.
        PluginError: a plugin's metric cannot be built or keeps no contract.
    """
    given = weights or {}
    made: list[AnyMetric] = []
    shared: list[PatchFeatures] = []
    for name in dict.fromkeys(names):
        if name == "ssimulacra2":
            made.append(Ssimulacra2())
        elif name == "butteraugli":
            made.append(Butteraugli.find())
        elif name == "lpips":
            from codectk.metrics.lpips import Lpips

            made.append(Lpips.load(find(LPIPS_FILE, given.get("lpips")), device))
        elif name in ("fid", "kid"):
            from codectk.metrics.fid import Fid, Kid, PatchFeatures

            if not shared:
                shared.append(PatchFeatures.load(find(FID_FILE, given.get("fid")), device))
            made.append((Fid if name == "fid" else Kid)(shared[0]))
        elif "." in name:
            made.append(_checked(name, manager.component("metric", name, {"device": device})))
        else:
            raise UsageError(
                f"There is no metric '{name}'; there are {', '.join(BUILT_IN)} and those of plugins, PLUGIN.NAME."
            )
    labels = [label(metric) for metric in made]
    for text in labels:
        if labels.count(text) > 1:
            raise UsageError(f"Two metrics are called '{text}'.")
    return made


def _checked(name: str, metric: Any) -> AnyMetric:
    """A plugin's metric that says what it is."""
    texts = {"name": str, "backbone": str, "protocol": str, "lower_is_better": bool}
    for attribute, kind in texts.items():
        if not isinstance(getattr(metric, attribute, None), kind):
            raise ContractError(f"The metric '{name}' has no {attribute} that is a {kind.__name__}.")
    if getattr(metric, "scope", None) not in ("picture", "set") or not callable(metric):
        raise ContractError(f"The metric '{name}' must be callable, with the scope 'picture' or 'set'.")
    if label(metric) in ("", "psnr", "ms_ssim") or not metric.name:
        raise ContractError(f"The metric '{name}' cannot be called '{label(metric)}'.")
    checked: AnyMetric = metric
    return checked
