"""Table I's metrics by component id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from codectk.programs.configurations import check_options
from codectk.spec.metrics import PictureMetric
from codectk_sgc.table1.bce import LabelBce
from codectk_sgc.table1.judges import MODELS, Alignment, Judge


def build(name: str, options: Mapping[str, Any]) -> PictureMetric:
    """A metric; `device` among the options says where its network runs.

    Raises:
        UsageError: another option, or the package that has the network is not installed.
        WeightsError: its weights are missing.
    """
    check_options(name, options, ("device",))
    device = str(options.get("device", "cpu"))
    if name == "sgc.label_bce":
        return LabelBce(device)
    return Alignment(device) if name == "sgc.clip_alignment" else Judge(MODELS[name], device)
