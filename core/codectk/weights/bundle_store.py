"""Bundles in the weights store, as `<name>-<first 8 digits of the sha256>.ctkb`."""

from __future__ import annotations

import os
from pathlib import Path

from codectk.base.errors import InputError, WeightsError
from codectk.weights.bundle import SUFFIX, Bundle, read_bundle
from codectk.weights.find import means
from codectk.weights.store import keep, label_of, store_folder


def stored_bundles() -> tuple[Path, ...]:
    """All bundles in the store, by name."""
    try:
        return tuple(sorted(path for path in store_folder().iterdir() if path.suffix == SUFFIX and path.is_file()))
    except (FileNotFoundError, NotADirectoryError):
        return ()


def add_bundle(source: str | os.PathLike[str]) -> Path:
    """Copy a bundle into the store.

    Returns:
        Where it is now. A bundle that was there already is left alone if intact, else replaced.

    Raises:
        InputError: there is no such file.
        WeightsError: it is no bundle, or damaged.
        OutputError: the store cannot be written.
    """
    bundle = read_bundle(source)
    return keep(bundle.path, f"{bundle.card.name}-{bundle.sha256[:8]}{SUFFIX}", bundle.sha256)


def find_bundle(text: str) -> Bundle | None:
    """The stored bundle that a person means by its name, 8 or more digits of its sha256, or both; or None.

    Raises:
        WeightsError: several are meant, or the one is damaged.
    """
    paths = [path for path in stored_bundles() if means(text, *label_of(path))]
    if len(paths) > 1:
        raise WeightsError(
            f"Several bundles are called '{text}': {', '.join(p.stem for p in paths)}; give one of these."
        )
    return _intact(paths[0]) if paths else None


def find_made_with(name: str, prefix: bytes) -> Bundle | None:
    """The stored bundle that a `.ctk` file names, or None.

    Args:
        name: of the bundle.
        prefix: first 4 bytes of its sha256.

    Raises:
        WeightsError: it is damaged.
    """
    path = next((path for path in stored_bundles() if label_of(path) == (name, prefix.hex())), None)
    return None if path is None else _intact(path)


def missing_bundle(name: str, prefix: bytes) -> str:
    """The sentence for a bundle that `find_made_with` does not find, ending in the line that brings it in."""
    others = ", ".join(digits for other, digits in map(label_of, stored_bundles()) if other == name)
    there = f" (there is another one of that name, {others})" if others else ""
    return (
        f"The file was made with bundle '{name}' (sha256 {prefix.hex()}...), which is not in the weights store{there}; "
        f"put it there with: codectk weights import {name}{SUFFIX}"
    )


def _intact(path: Path) -> Bundle:
    """A bundle that still is what its place in the store says."""
    try:
        bundle = read_bundle(path)
    except InputError as error:
        raise WeightsError(f"The bundle {path} is gone.") from error
    if label_of(path) != (bundle.card.name, bundle.sha256[:8]):
        raise WeightsError(f"The bundle in {path} is damaged or not the right one: it is {bundle}.")
    return bundle
