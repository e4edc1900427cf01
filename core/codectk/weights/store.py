"""Where weights lie, and the proof that they are the right ones.

A codec's weights come with its plugin (the small presets) or lie in the store, a folder of the user. Nothing in this
room opens a connection, whether or not CODECTK_OFFLINE is set.
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np

from codectk.base.atomic import atomic_write
from codectk.base.errors import OutputError, WeightsAbsentError, WeightsError
from codectk.weights.manifest import WeightsEntry, is_weights_name, package_folder
from codectk.weights.tensors import read_metadata, save_tensors

SUFFIX = ".safetensors"
"""Of weights files."""

_BLOCK = 1 << 20
_SUFFIXES = re.compile(r"(\.(pth|pt|tar|ckpt|bin|pkl|zip|safetensors))+$")
_PREFIX = re.compile(r"[0-9a-f]{8}")


def store_folder() -> Path:
    """The store: `weights` in $CODECTK_HOME, else in the platform's cache folder. It need not exist."""
    home = os.environ.get("CODECTK_HOME")
    return (Path(home).expanduser() if home else _cache_folder()) / "weights"


def sha256_of(path: str | os.PathLike[str]) -> str:
    """sha256 of a file, 64 hexadecimal digits.

    Raises:
        WeightsError: the file cannot be read.
    """
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise WeightsError(f"The weights file {path} cannot be read: {error.strerror or error}.") from error


def resolve(entry: WeightsEntry, package: str) -> Path:
    """Find the file of a manifest's entry and verify it.

    The file in the package is tried first, then the store. A damaged candidate is passed over if a good one exists.

    Args:
        entry: from `read_manifest(package)`.
        package: top-level import name.

    Returns:
        Path of a file whose sha256 is the entry's.

    Raises:
        PluginMissingError: the package is not installed.
        WeightsAbsentError: there is no such file, but `pulling.pull` can make it.
        WeightsError: there is no such file, or what is there has another hash.
    """
    candidates = [path for path in (package_folder(package) / entry.file, _stored_path(entry)) if path.is_file()]
    refusal = ""
    for path in candidates:
        found = sha256_of(path)
        if found == entry.sha256:
            return path
        refusal = refusal or (
            f"The weights {entry.name} in {path} are damaged or not the right ones: "
            f"expected sha256 {entry.sha256}, found {found}."
        )
    if entry.package and not refusal:
        raise WeightsAbsentError(entry.name, size=entry.bytes, package=entry.package, licence=entry.licence)
    raise WeightsError(
        refusal
        or f"The weights {entry.name} ({entry.bytes:,} bytes, sha256 {entry.sha256}) of {package} are neither in the "
        f"package nor in {store_folder()}; add the file with codectk weights import."
    )


def stored(suffix: str = SUFFIX) -> tuple[Path, ...]:
    """All weights files in the store, or those of another suffix, by name."""
    try:
        return tuple(sorted(path for path in store_folder().iterdir() if path.suffix == suffix and path.is_file()))
    except (FileNotFoundError, NotADirectoryError):
        return ()


def label_of(path: Path) -> tuple[str, str]:
    """Name and first 8 digits of the hash by which a file of the store goes; no digits if it is not named so."""
    name, dash, digits = path.stem.rpartition("-")
    return (name, digits) if dash and _PREFIX.fullmatch(digits) else (path.stem, "")


def add(source: str | os.PathLike[str], name: str, *, sha256: str | None = None) -> Path:
    """Copy a safetensors file into the store, under `<name>-<first 8 digits of its sha256>.safetensors`.

    Args:
        source: the file.
        name: name of the weights, see `manifest.is_weights_name`.
        sha256: what its hash must be (64 lower-case hexadecimal digits), if known.

    Returns:
        Where it is now. A file that was there already is left alone if intact, else replaced.

    Raises:
        WeightsError: not a safetensors file, another hash, or a bad name.
        OutputError: the store cannot be written.
    """
    _check_name(name)
    read_metadata(source)
    digest = sha256_of(source)
    if sha256 is not None and digest != sha256:
        raise WeightsError(f"{source} is not the weights {name}: expected sha256 {sha256}, found {digest}.")
    return keep(source, stored_name(name, digest), digest)


def keep(source: str | os.PathLike[str], name: str, sha256: str) -> Path:
    """Copy a file into the store.

    Args:
        source: the file, whose content was checked.
        name: of the file in the store.
        sha256: its hash, 64 hexadecimal digits.

    Returns:
        Where it is now. A file that was there already is left alone if intact, else replaced.

    Raises:
        WeightsError: the file does not have this hash any more.
        OutputError: the store cannot be written.
    """
    target = store_folder() / name
    if target.is_file() and sha256_of(target) == sha256:
        return target
    _make_folder()
    copied = hashlib.sha256()
    with atomic_write(target) as writer, open(source, "rb") as reader:
        while block := reader.read(_BLOCK):
            copied.update(block)
            writer.write(block)
        if copied.hexdigest() != sha256:
            raise WeightsError(f"{source} changed while it was copied; try again.")
    return target


def save(
    tensors: Mapping[str, np.ndarray],
    metadata: Mapping[str, str],
    name: str,
    *,
    known: Mapping[str, str] | None = None,
    sha256: str | None = None,
) -> Path:
    """Write tensors into the store, as `add` does with a file.

    Args:
        tensors, metadata: as in `tensors.save_tensors`.
        name: name of the weights.
        known: names by sha256; if the file turns out to have one of these hashes, that name is taken.
        sha256: what its hash must be, if known.

    Returns:
        Where they are now.

    Raises:
        WeightsError: a bad name, another hash, or tensors that cannot be stored.
        OutputError: the store cannot be written.
    """
    _check_name(name)
    part = _make_folder() / f".codectk-{secrets.token_hex(8)}.part"
    try:
        save_tensors(part, tensors, metadata)
        digest = sha256_of(part)
        if sha256 is not None and digest != sha256:
            raise WeightsError(f"What was made is not the weights {name}: expected sha256 {sha256}, found {digest}.")
        target = part.with_name(stored_name((known or {}).get(digest, name), digest))
        os.replace(part, target)
    except OSError as error:
        raise OutputError(f"Cannot write into {part.parent}: {error.strerror or error}.") from error
    finally:
        with suppress(OSError):
            part.unlink()
    return target


def _check_name(name: str) -> None:
    if not is_weights_name(name):
        raise WeightsError(f"The name {name!r} for weights has characters other than a-z, 0-9 and ._-.")


def _make_folder() -> Path:
    folder = store_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"The weights store {folder} cannot be made: {error.strerror or error}.") from error
    return folder


def _stored_path(entry: WeightsEntry) -> Path:
    return store_folder() / stored_name(entry.name, entry.sha256)


def name_from(path: Path) -> str:
    """A name for weights made of a file's: "SegPIC_0.0018.pth.tar" becomes "segpic_0.0018"."""
    stem = _SUFFIXES.sub("", path.name.lower())
    return re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:64] or "weights"


def stored_name(name: str, sha256: str) -> str:
    """File name of weights in the store."""
    return f"{name}-{sha256[:8]}{SUFFIX}"


def _cache_folder() -> Path:
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return Path(base) / "codectk" / "Cache" if base else Path.home() / "AppData" / "Local" / "codectk" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "codectk"
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG rules ask to ignore relative paths.
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "codectk"
