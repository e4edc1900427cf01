"""From what a person types, or what a file carries, to verified weights or a verified bundle.

A reference is a name, 8 or more digits of the sha256, or both as `codectk weights list` prints them; the path of a
weights file or a bundle, wherever it lies; or the four bytes by which a `.ctk` file names what made it. With a package,
it means weights: those of its manifest, and those in the store. Without one it means a bundle.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from codectk.base.errors import InputError, UsageError, WeightsError
from codectk.weights import store
from codectk.weights.bundle import SUFFIX, Bundle, read_bundle
from codectk.weights.manifest import WeightsEntry, package_folder, read_manifest
from codectk.weights.store import label_of, resolve, sha256_of
from codectk.weights.tensors import read_metadata

CODEC = "codec"
"""Metadata key under which a weights file names the codec it is for."""

Place = Literal["package", "store", "file", "missing"]
Reference = str | bytes | Path

_HASH = re.compile(r"[0-9a-f]{8,64}")
_FILES = (".safetensors", SUFFIX)


class UnknownWeightsError(WeightsError):
    """Nothing goes by a reference."""


@dataclass(frozen=True)
class Located:
    """Weights or a bundle, verified.

    Attributes:
        path: where it is.
        name: what it is called.
        sha256: its hash, 64 hexadecimal digits.
        place: whether it came with a plugin, lies in the store, or was named as a file.
        entry: what the manifest of a plugin says of the weights, or None.
        bundle: what is in the bundle, or None for weights.
    """

    path: Path
    name: str
    sha256: str
    place: Place
    entry: WeightsEntry | None = None
    bundle: Bundle | None = None

    def __str__(self) -> str:
        return f"{self.name} ({self.sha256[:8]})"


@dataclass(frozen=True)
class Listed:
    """Weights that a plugin lists or the store holds, or a bundle in the store; not verified.

    Attributes:
        name, sha256: of the reference; all digits of the hash or the first 8.
        codec, config: from the file's metadata, "" if unknown; for a bundle its name, and "bundle".
        place: "missing" for a file that a manifest lists and that is nowhere.
        path: the file, "" if missing.
        bytes: size.
    """

    name: str
    sha256: str
    codec: str
    config: str
    place: Place
    path: str
    bytes: int


def names_file(reference: object) -> bool:
    """Whether a reference is the path of a file: a `Path`, or a text that ends like one or has folders."""
    if isinstance(reference, str):
        return reference.lower().endswith(_FILES) or os.sep in reference or "/" in reference
    return isinstance(reference, Path)


def locate(reference: Reference, *, codec: str = "", package: str = "") -> Located:
    """Find weights or a bundle, and verify them.

    Args:
        reference: see above.
        codec: whose weights they must be, or the bundle's name for a reference of four bytes; "" for any.
        package: top-level import name of the plugin whose weights are meant; "" for a bundle.

    Raises:
        UnknownWeightsError: nothing goes by this reference.
        WeightsAbsentError: the manifest has them, they are not here, and `pulling.pull` can make them.
        WeightsError: several things go by it, or what does is damaged or for another codec.
        InputError: there is no bundle at the path.
        UsageError: the path leads to a bundle where weights are meant, or the other way round.
        PluginMissingError: the package is not installed.
    """
    if names_file(reference):
        assert not isinstance(reference, bytes)
        found = _file(Path(reference).expanduser(), package)
    elif isinstance(reference, bytes):
        found = _header(reference, codec, package) if package else _bundle_of_header(reference, codec)
    else:
        found = _text(str(reference), codec, package) if package else _bundle_text(str(reference))
    if found.bundle is None and codec:
        owner = read_metadata(found.path).get(CODEC, codec if found.entry else "")
        if owner != codec:
            what = f"are for codec '{owner}'" if owner else "do not say which codec they are for"
            raise WeightsError(f"The weights {found} {what}; codec '{codec}' was asked for.")
    return found


def means(text: str, name: str, digest: str) -> bool:
    """Whether a person who gives `text` means what goes by this name and hash; `digest` may be its beginning."""
    by_hash = _HASH.fullmatch(text) is not None and (digest.startswith(text) or text.startswith(digest))
    return text in (name, f"{name}-{digest[:8]}") or bool(digest and by_hash)


def listing(packages: Iterable[str]) -> Iterator[Listed]:
    """All that can be referred to: each package's manifest in its order, the rest of the store, its bundles."""
    seen = set()
    for package in packages:
        for entry in read_manifest(package):
            kept = store.store_folder() / store.stored_name(entry.name, entry.sha256)
            seen.add(kept)
            packaged = package_folder(package) / entry.file
            path = next((path for path in (packaged, kept) if path.is_file()), None)
            if path is None:
                yield Listed(entry.name, entry.sha256, "", "", "missing", "", entry.bytes)
            else:
                place: Place = "package" if path == packaged else "store"
                yield Listed(entry.name, entry.sha256, *_described(path), place, str(path), entry.bytes)
    yield from map(listed, (path for path in store.stored() if path not in seen))
    yield from map(listed, store.stored(SUFFIX))


def listed(path: Path) -> Listed:
    """A file of the store as `listing` has it."""
    name, digits = label_of(path)
    described = (name, "bundle") if path.suffix == SUFFIX else _described(path)
    return Listed(name, digits, *described, "store", str(path), path.stat().st_size)


def add_bundle(source: str | os.PathLike[str]) -> Path:
    """Copy a bundle into the store.

    Returns:
        Where it is now. A bundle that was there already is left alone if intact, else replaced.

    Raises:
        InputError: there is no such file.
        WeightsError: it is no bundle, or damaged.
        OutputError: the store cannot be written.
    """
    return keep(_file(Path(source), ""))


def keep(found: Located) -> Path:
    """Have the store hold what was named as a file, so that the `.ctk` files made with it can be decoded.

    Returns:
        Where it is now; what came with a plugin or lies in the store already stays where it is.

    Raises:
        WeightsError: the file changed.
        OutputError: the store cannot be written.
    """
    if found.place != "file":
        return found.path
    if found.bundle is not None:
        return store.keep(found.path, f"{found.name}-{found.sha256[:8]}{SUFFIX}", found.sha256)
    return store.add(found.path, store.name_from(found.path), sha256=found.sha256)


def _file(path: Path, package: str) -> Located:
    if path.suffix.lower() != SUFFIX:
        if not package:
            raise UsageError(f"{path} is no bundle ({SUFFIX}).")
        return Located(path, path.stem, sha256_of(path), "file")
    if package:
        raise UsageError(f"{path} is a bundle, which is a codec of its own: give it as the codec.")
    bundle = read_bundle(path)
    return Located(path, bundle.card.name, bundle.sha256, "file", bundle=bundle)


def _header(prefix: bytes, codec: str, package: str) -> Located:
    if len(prefix) != 4 or not any(prefix):
        raise WeightsError("The file names no weights, but its codec needs some.")
    wanted = prefix.hex()
    entries = read_manifest(package)
    for entry in entries:
        if entry.sha256.startswith(wanted):
            return _entry(entry, package)
    refusal = ""
    for path in store.stored():
        if path.stem.endswith(f"-{wanted}"):
            found = sha256_of(path)
            if found.startswith(wanted):
                return Located(path, label_of(path)[0], found, "store")
            refusal = f"The weights in {path} are damaged: expected a sha256 that starts with {wanted}, found {found}."
    if refusal:
        raise WeightsError(refusal)
    raise UnknownWeightsError(
        f"The weights with sha256 {wanted}... that the file names are missing; {package} knows "
        f"{_known(entries, codec)}; others come in with codectk weights import."
    )


def _text(text: str, codec: str, package: str) -> Located:
    entries = read_manifest(package)
    for entry in entries:
        if means(text, entry.name, entry.sha256):
            return _entry(entry, package)
    path = _one(text, store.stored(), "weights")
    if path is None:
        whose = f"codec '{codec}'; it" if codec else f"{package}; it"
        raise UnknownWeightsError(f"There are no weights '{text}' for {whose} has {_known(entries, codec)}.")
    name, digits = label_of(path)
    digest = sha256_of(path)
    if not digest.startswith(digits) or (_HASH.fullmatch(text) and text != name and not digest.startswith(text)):
        raise WeightsError(f"The weights in {path} are damaged or not the right ones: their sha256 is {digest}.")
    return Located(path, name, digest, "store")


def _entry(entry: WeightsEntry, package: str) -> Located:
    path = resolve(entry, package)
    place: Place = "package" if path == package_folder(package) / entry.file else "store"
    return Located(path, entry.name, entry.sha256, place, entry)


def _bundle_text(text: str) -> Located:
    path = _one(text, store.stored(SUFFIX), "bundles")
    if path is None:
        raise UnknownWeightsError(f"There is no bundle '{text}' in the weights store.")
    return _intact(path)


def _bundle_of_header(prefix: bytes, name: str) -> Located:
    """Four bytes alone could be anybody's, so the name must fit, too."""
    bundles = store.stored(SUFFIX)
    path = next((path for path in bundles if label_of(path) == (name, prefix.hex())), None)
    if path is not None:
        return _intact(path)
    others = ", ".join(digits for other, digits in map(label_of, bundles) if other == name)
    there = f" (there is another one of that name, {others})" if others else ""
    raise UnknownWeightsError(
        f"The file was made with bundle '{name}' (sha256 {prefix.hex()}...), which is not in the weights store{there}; "
        f"put it there with: codectk weights import {name}{SUFFIX}"
    )


def _intact(path: Path) -> Located:
    """A bundle that still is what its place in the store says."""
    try:
        bundle = read_bundle(path)
    except InputError as error:
        raise WeightsError(f"The bundle {path} is gone.") from error
    if label_of(path) != (bundle.card.name, bundle.sha256[:8]):
        raise WeightsError(f"The bundle in {path} is damaged or not the right one: it is {bundle}.")
    return Located(path, bundle.card.name, bundle.sha256, "store", bundle=bundle)


def _one(text: str, paths: Iterable[Path], what: str) -> Path | None:
    """The one file of the store that a person means, or None."""
    meant = [path for path in paths if means(text, *label_of(path))]
    if len(meant) > 1:
        raise WeightsError(
            f"Several {what} are called '{text}': {', '.join(path.stem for path in meant)}; give one of these names."
        )
    return meant[0] if meant else None


def _known(entries: Iterable[WeightsEntry], codec: str) -> str:
    """What a codec has, for a sentence."""
    have = [f"{entry.name} ({entry.sha256[:8]})" for entry in entries]
    stored = [path for path in store.stored() if codec and _described(path)[0] == codec]
    have += [f"{name} ({digits})" for name, digits in map(label_of, stored)]
    return ", ".join(have) or "none"


def _described(path: Path) -> tuple[str, str]:
    """Codec and configuration that a file's metadata name; "" for one that cannot be read."""
    try:
        metadata = read_metadata(path)
    except WeightsError:
        return "", ""
    return metadata.get(CODEC, ""), metadata.get("config", "")
