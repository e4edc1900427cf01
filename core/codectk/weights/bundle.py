"""A trained codec as one file: recipe, weights with their coding tables, and a card. BUNDLE.md is normative."""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from codectk.base import toml
from codectk.base.atomic import atomic_write
from codectk.base.errors import InputError, WeightsError
from codectk.weights.bundle_card import BundleCard, parse_card, write_card
from codectk.weights.stored_zip import (
    MAX_BYTES,
    SIGNATURE,
    Member,
    copy_member,
    read_member,
    read_members,
    write_members,
)
from codectk.weights.tensors import read_metadata

SUFFIX = ".ctkb"
CARD, RECIPE, WEIGHTS = "card.toml", "recipe.toml", "weights.safetensors"

MAX_TEXT_BYTES = 1 << 20
"""Largest card and largest recipe in bytes."""

_LIMITS = {CARD: MAX_TEXT_BYTES, RECIPE: MAX_TEXT_BYTES, WEIGHTS: MAX_BYTES}


@dataclass(frozen=True)
class Bundle:
    """A verified bundle.

    Attributes:
        path: where it is.
        sha256: of the whole file, 64 hexadecimal digits.
        bytes: size of the file.
        card: who it is.
        recipe: TOML of its graph, or of the codec it has weights for.
        weights: where in the file its safetensors file lies.
    """

    path: Path
    sha256: str
    bytes: int
    card: BundleCard
    recipe: str
    weights: Member

    def __str__(self) -> str:
        return f"{self.card.name} ({self.sha256[:8]})"

    def metadata(self) -> dict[str, str]:
        """The texts in the safetensors file, such as the recipe of its training.

        Raises:
            WeightsError: the file is gone.
        """
        return read_metadata(self.path, self.weights.start, self.weights.size)

    @contextmanager
    def unpacked(self) -> Iterator[Path]:
        """The weights as a safetensors file of their own, which is gone after the block.

        Raises:
            WeightsError: the bundle is gone or changed, or there is no room.
        """
        # A library may still map the file when the block ends, which some systems keep from being removed.
        with tempfile.TemporaryDirectory(prefix="codectk-bundle-", ignore_cleanup_errors=True) as folder:
            path = Path(folder, f"{self.card.name}.safetensors")
            try:
                with open(self.path, "rb") as file, open(path, "xb") as target:
                    copy_member(file, self.weights, target, str(self.path))
            except OSError as error:
                reason = error.strerror or error
                raise WeightsError(f"The weights of {self.path} cannot be unpacked: {reason}.") from error
            yield path


def is_bundle(path: str | os.PathLike[str]) -> bool:
    """Whether a file exists and starts like a bundle; nothing else is checked."""
    try:
        with open(path, "rb") as file:
            return file.read(len(SIGNATURE)) == SIGNATURE
    except OSError:
        return False


def write_bundle(path: str | os.PathLike[str], card: BundleCard, recipe: str, weights: Path) -> Bundle:
    """Write a bundle, whole or not at all. Equal content gives equal bytes, so that its hash is a name.

    Args:
        path: where to.
        card: who it is.
        recipe: TOML.
        weights: a safetensors file.

    Raises:
        WeightsError: the card breaks a rule, the recipe is not TOML, or the weights are no safetensors file.
        OutputError: the file cannot be written.
    """
    texts = {CARD: write_card(card).encode(), RECIPE: recipe.encode()}
    for name, data in texts.items():
        if len(data) > MAX_TEXT_BYTES:
            raise WeightsError(f"The {name} of a bundle has at most {MAX_TEXT_BYTES:,} bytes, not {len(data):,}.")
    toml.parse(recipe, "The bundle's recipe", error=WeightsError)  # what it means is for the pipeline to judge
    read_metadata(weights)
    with atomic_write(path) as file, open(weights, "rb") as reader:
        write_members(file, {**{name: io.BytesIO(data) for name, data in texts.items()}, WEIGHTS: reader})
    return read_bundle(path)


def read_bundle(path: str | os.PathLike[str]) -> Bundle:
    """Read a bundle and verify all of it.

    Raises:
        InputError: there is no such file.
        WeightsError: it is damaged, cut, or not a bundle.
    """
    what = str(path)
    try:
        with open(path, "rb") as file:
            return _read(file, Path(path), what)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise InputError(f"There is no bundle {what}.") from error
    except OSError as error:
        raise WeightsError(f"The bundle {what} cannot be read: {error.strerror or error}.") from error


def _read(file: io.BufferedReader, path: Path, what: str) -> Bundle:
    size = os.fstat(file.fileno()).st_size
    if size > MAX_BYTES:
        raise WeightsError(f"{what} has {size:,} bytes; a bundle has at most {MAX_BYTES:,}.")
    card, recipe, weights = read_members(file, size, _LIMITS, what)
    card_text, recipe_text = (_text(read_member(file, member, what), member.name, what) for member in (card, recipe))
    parsed = parse_card(card_text, f"{what}, {CARD}")
    toml.parse(recipe_text, f"{what}, {RECIPE}", error=WeightsError)
    copy_member(file, weights, None, what)
    read_metadata(path, weights.start, weights.size)
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Bundle(path, digest, size, parsed, recipe_text, weights)


def _text(data: bytes, name: str, what: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise WeightsError(f"{what}: {name} is not UTF-8.") from error
