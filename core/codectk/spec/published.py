"""Where the checkpoint of a codec can be fetched, as its plugin says."""

from __future__ import annotations

import re
from dataclasses import dataclass

from codectk.base.errors import ContractError

_FILE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_SHA256 = re.compile(r"[0-9a-f]{8,64}")


@dataclass(frozen=True)
class PublishedWeights:
    """A checkpoint on the web that the plugin's `codectk_weights_import` reads.

    Attributes:
        url: where it is; http or https.
        sha256: the first 8 to 64 hexadecimal digits of the file's hash.

    Raises:
        ContractError: not such an address or hash.
    """

    url: str
    sha256: str

    def __post_init__(self) -> None:
        if not self.url.startswith(("https://", "http://")) or not _FILE.fullmatch(self.file):
            raise ContractError(f"{self.url!r} is no address of a file to fetch.")
        if not _SHA256.fullmatch(self.sha256):
            raise ContractError(f"{self.sha256!r} is not the beginning of a sha256.")

    @property
    def file(self) -> str:
        """The file's name."""
        return self.url.rsplit("/", 1)[-1]
