"""Codecs with a one-byte number, so that naming a bundled codec costs one byte of the file.

The numbers are part of the format: never reuse or renumber one, only append.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from codectk.base.errors import BitstreamError

KNOWN: Mapping[int, str] = MappingProxyType({1: "segpic", 2: "egic", 3: "hsc", 4: "sgc"})
"""Codec number (1..254) to codec id. Number 0 means that the names follow as text."""

BUNDLE = 255
"""Codec number of a bundle: its name follows, and the distributions of its plugins."""

MAX_NEEDS = 8
"""Most distributions that a bundle needs."""

MAX_NAME_BYTES = 64
"""Longest codec id or distribution name in bytes."""

_CODEC = re.compile(rb"[a-z0-9]([a-z0-9._-]*[a-z0-9])?")
_DISTRIBUTION = re.compile(rb"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def number_of(codec: str) -> int | None:
    """The number of a known codec, or None."""
    return next((number for number, name in KNOWN.items() if name == codec), None)


def distribution_of(codec: str) -> str | None:
    """The distribution that brings a known codec (`codectk-<id>`), or None for an unknown one."""
    return None if number_of(codec) is None else f"codectk-{codec}"


def check_codec(name: bytes, *, offset: int | None = None) -> str:
    """Check a codec id: 1..64 bytes of a-z 0-9 . _ -, a letter or digit at both ends.

    Returns:
        The id as text.

    Raises:
        BitstreamError: if it is anything else.
    """
    return _check(name, _CODEC, "codec id", offset)


def check_distribution(name: bytes, *, offset: int | None = None) -> str:
    """Check a distribution name: as a codec id, but capitals are allowed.

    The name ends up in a line that people paste into a shell, so nothing that a shell or an installer
    would interpret (spaces, quotes, a leading dash) gets through.

    Returns:
        The name as text.

    Raises:
        BitstreamError: if it is anything else.
    """
    return _check(name, _DISTRIBUTION, "distribution name", offset)


def _check(name: bytes, pattern: re.Pattern[bytes], what: str, offset: int | None) -> str:
    if not 1 <= len(name) <= MAX_NAME_BYTES:
        raise BitstreamError(f"A {what} has 1 to {MAX_NAME_BYTES} bytes, this one has {len(name)}.", offset=offset)
    if pattern.fullmatch(name) is None:
        raise BitstreamError(f"The {what} {name!r} holds characters that are not allowed there.", offset=offset)
    return name.decode("ascii")
