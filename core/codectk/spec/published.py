"""Where the checkpoint of a codec can be fetched, as its plugin says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from codectk.base.errors import ContractError

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256, _BEGINNING = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{8,63}")


@dataclass(frozen=True)
class PublishedWeights:
    """A checkpoint on the web that the plugin's `codectk_weights_import` reads.

    Attributes:
        url: where it is; https.
        sha256: the file's hash, 64 hexadecimal digits.
        short: its publisher tells no more than the beginning of the hash, 8 digits or more. Then the address alone
            vouches for the rest, and whoever pulls is told so.

    Raises:
        ContractError: not such an address or hash.
    """

    url: str
    sha256: str
    short: bool = False

    def __post_init__(self) -> None:
        if not self.url.startswith("https://") or not _FILE.fullmatch(self.file):
            raise ContractError(f"{self.url!r} is no https address of a file to fetch.")
        if not (_BEGINNING if self.short else _SHA256).fullmatch(self.sha256):
            what = "the beginning of a sha256" if self.short else "a sha256 of 64 digits"
            raise ContractError(f"{self.sha256!r} is not {what}.")

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]
