"""Golden files: made once, decoded to the same latents by every machine ever after."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from codectk.bitstream.reader import read
from codectk.pipeline.codec import Codec
from codectk.pipeline.load import load_for


def latents_digest(data: bytes, ready: Codec | None = None) -> str:
    """sha256 (hex) over the latents of a file in the order of their names, as little-endian float32.

    Args:
        data: the file.
        ready: its codec, where that is not simply to be loaded.

    Raises:
        CodectkError: the file does not decode with the installed plugin.
    """
    latents = (ready or load_for(read(data).header)).latents(data)
    digest = hashlib.sha256()
    for name in sorted(latents):
        digest.update(np.ascontiguousarray(np.asarray(latents[name], dtype="<f4")).tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class GoldenFile:
    """A file that was made once, and the digest of its latents beside it as `.latents.sha256`.

    Attributes:
        path: of the `.ctk` file.
    """

    path: Path

    @property
    def data(self) -> bytes:
        return self.path.read_bytes()

    @property
    def digest(self) -> str:
        return self._digest_path.read_text(encoding="ascii").strip()

    def write(self, data: bytes) -> None:
        """Make it anew, which only new weights justify."""
        self.path.parent.mkdir(exist_ok=True)
        self.path.write_bytes(data)
        self._digest_path.write_text(latents_digest(data) + "\n", encoding="ascii")

    @property
    def _digest_path(self) -> Path:
        return self.path.with_suffix(".latents.sha256")
