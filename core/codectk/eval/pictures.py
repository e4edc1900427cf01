"""The pictures of an evaluation, read once, with what identifies them."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from codectk.base.errors import InputError, UsageError
from codectk.base.types import Picture
from codectk.eval.provenance import KNOWN_SETS, picture_digest, set_digest
from codectk.metrics.psnr import Pixels
from codectk.picture.read import read_picture

_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".bmp"})
_LOSSY_SUFFIXES = frozenset({".jpg", ".jpeg"})


@dataclass(frozen=True)
class Source:
    """One picture to evaluate.

    Attributes:
        path: its file.
        picture: upright and in sRGB, without alpha, which plays no part in an evaluation.
        read_s: seconds to read it.
        digest: see `provenance.picture_digest`.
    """

    path: Path
    picture: Picture
    read_s: float
    digest: str

    @property
    def pixels(self) -> Pixels:
        """uint8 (H, W, 3) RGB."""
        return self.picture.pixels

    @property
    def name(self) -> str:
        return self.path.stem

    @property
    def lossy(self) -> bool:
        """True if the file is a JPEG, whose own artifacts the codec is then asked to keep."""
        return self.path.suffix.lower() in _LOSSY_SUFFIXES


def expand(paths: Iterable[Path]) -> list[Path]:
    """Files as given, and the picture files of each folder in alphabetic order.

    Raises:
        InputError: a folder has no picture.
        UsageError: two files have the same stem, which names a picture in tables.
    """
    files: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in _SUFFIXES)
            if not inside:
                raise InputError(f"The folder {path} has no picture.")
            files += inside
        else:
            files.append(path)
    stems: dict[str, Path] = {}
    for file in files:
        if file.stem in stems:
            raise UsageError(f"{stems[file.stem]} and {file} would share one name in the tables.")
        stems[file.stem] = file
    return files


def read_source(path: Path) -> Source:
    """Read a picture as every codec will see it.

    Raises:
        InputError: not a picture that codectk takes.
    """
    start = time.perf_counter()
    read = read_picture(path)
    seconds = time.perf_counter() - start
    return Source(path, Picture(read.pixels, grey=read.grey), seconds, picture_digest(read.pixels))


@dataclass(frozen=True)
class PictureSet:
    """What a report says about its pictures.

    Attributes:
        names: stems in order.
        digest: of all pixels, independent of order and file format.
        known: name of a well-known set with this digest, or None.
        lossy: stems of pictures that came from lossy files.
    """

    names: tuple[str, ...]
    digest: str
    known: str | None
    lossy: tuple[str, ...]


def describe(sources: Sequence[Source]) -> PictureSet:
    """Identify the evaluated pictures."""
    digest = set_digest(s.digest for s in sources)
    return PictureSet(
        names=tuple(s.name for s in sources),
        digest=digest,
        known=KNOWN_SETS.get(digest),
        lossy=tuple(s.name for s in sources if s.lossy),
    )
