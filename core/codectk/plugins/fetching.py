"""Weights made from a checkpoint on the web that a plugin names. With CODECTK_OFFLINE=1 no connection is opened."""

from __future__ import annotations

import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

from codectk.base.atomic import atomic_write
from codectk.base.errors import WeightsError
from codectk.spec.published import PublishedWeights
from codectk.weights import store
from codectk.weights.locate import CODEC
from codectk.weights.tensors import read_metadata

OFFLINE = "CODECTK_OFFLINE"

MAX_BYTES = 4 << 30
"""Most bytes that are read from an address."""

SOURCE = "source"
"""Metadata key under which importers keep the name of the file that they read."""

Say = Callable[[str], None]

_BLOCK = 1 << 20
_TIMEOUT = 60  # seconds without a byte


def already(codec: str, published: PublishedWeights) -> Path | None:
    """The file in the store that was made of this checkpoint, or None."""
    for path in store.stored():
        try:
            metadata = read_metadata(path)
        except WeightsError:
            continue
        if (metadata.get(CODEC), metadata.get(SOURCE)) == (codec, published.file):
            return path
    return None


def fetch(codec: str, published: PublishedWeights, folder: Path, say: Say) -> Path:
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


def check(path: Path, published: PublishedWeights) -> str:
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
