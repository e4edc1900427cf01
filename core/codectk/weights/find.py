"""Weights by the name or the hash that a person gives, or by the bytes that a file carries."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from codectk.base.errors import WeightsError
from codectk.weights.manifest import WeightsEntry, read_manifest
from codectk.weights.store import find_by_hash, label_of, resolve, sha256_of, stored
from codectk.weights.tensors import read_metadata

CODEC = "codec"
"""Metadata key under which a weights file names the codec it is for."""

_HASH = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class Found:
    """A verified weights file.

    Attributes:
        path: where it is.
        name: what it is called.
        sha256: the first 8 or all 64 hexadecimal digits of its hash.
        listed: the manifest of the codec's plugin has it.
    """

    path: Path
    name: str
    sha256: str
    listed: bool = False

    def __str__(self) -> str:
        return f"{self.name} ({self.sha256[:8]})"


def find(weights: str | bytes | Path, codec: str, package: str) -> Found:
    """Find weights for a codec, in the manifest of its plugin and in the store, or take those of a file.

    Args:
        weights: a name, at least 8 hexadecimal digits of the sha256, or both as `codectk weights list` prints them;
            or the four bytes of a `.ctk` header; or the path of a safetensors file, wherever it is.
        codec: codec name.
        package: top-level import name of its plugin.

    Raises:
        PluginMissingError: the package is not installed.
        WeightsError: there are none, several, damaged ones, or they are for another codec.
    """
    if isinstance(weights, bytes):
        path, entry = find_by_hash(weights, package, _stored_for(codec))
        found = Found(path, label_of(path)[0], weights.hex()) if entry is None else _listed(path, entry)
    elif isinstance(weights, Path):
        found = Found(weights, weights.stem, sha256_of(weights))
    else:
        found = _find_text(weights, codec, package)
    owner = read_metadata(found.path).get(CODEC, codec if found.listed else "")
    if owner != codec:
        what = f"are for codec '{owner}'" if owner else "do not say which codec they are for"
        raise WeightsError(f"The weights {found} {what}; codec '{codec}' was asked for.")
    return found


def _find_text(text: str, codec: str, package: str) -> Found:
    entries = read_manifest(package)
    for entry in entries:
        if means(text, entry.name, entry.sha256):
            return _listed(resolve(entry, package), entry)
    paths = [path for path in stored() if means(text, *label_of(path))]
    if not paths:
        have = [str(_listed(Path(entry.file), entry)) for entry in entries]
        have += _stored_for(codec)
        raise WeightsError(f"There are no weights '{text}' for codec '{codec}'; it has {', '.join(have) or 'none'}.")
    if len(paths) > 1:
        listed = ", ".join(path.stem for path in paths)
        raise WeightsError(f"Several weights are called '{text}': {listed}; give one of these names.")
    (path,) = paths
    name, digits = label_of(path)
    digest = sha256_of(path)
    if not digest.startswith(digits) or (_HASH.fullmatch(text) and text != name and not digest.startswith(text)):
        raise WeightsError(f"The weights in {path} are damaged or not the right ones: their sha256 is {digest}.")
    return Found(path, name, digest)


def means(text: str, name: str, digest: str) -> bool:
    """Whether a person who gives `text` means these weights; `digest` may be its beginning."""
    by_hash = _HASH.fullmatch(text) is not None and (digest.startswith(text) or text.startswith(digest))
    return text in (name, f"{name}-{digest[:8]}") or bool(digest and by_hash)


def _listed(path: Path, entry: WeightsEntry) -> Found:
    return Found(path, entry.name, entry.sha256, listed=True)


def _stored_for(codec: str) -> list[str]:
    """Names of the weights in the store that are for a codec."""
    return [str(Found(path, *label_of(path))) for path in stored() if _is_for(path, codec)]


def _is_for(path: Path, codec: str) -> bool:
    try:
        return read_metadata(path).get(CODEC) == codec
    except WeightsError:
        return False
