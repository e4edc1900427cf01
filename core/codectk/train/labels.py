"""Label maps of the training pictures, cropped like them."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from codectk.base.errors import InputError
from codectk.train.data import Crops


class LabelMaps:
    """One label map per picture, in memory: uint8, 0 void, 1..N groups.

    Args:
        folder: PNGs of mode L, in it or below, named by the stems of the pictures. A picture without one is void.
        crops: the pictures.
        report: called with (done, total) while loading.

    Attributes:
        maps: uint8 (H, W) for each picture of `crops`, or None.
        digest: 32-bit check of all maps and of which picture each belongs to.

    Raises:
        InputError: no such folder; a map that is no mode L PNG or not of its picture's size; two pictures or two maps
            share a name.
    """

    def __init__(self, folder: Path, crops: Crops, report: Callable[[int, int], None] = lambda done, total: None):
        self.crops = crops
        self.maps: list[np.ndarray | None] = []
        self.digest = 0
        found = _by_stem(folder)
        owners: dict[str, Path] = {}
        for number, (file, picture) in enumerate(zip(crops.files, crops.pictures, strict=True)):
            if (path := found.get(file.stem)) is None:
                self.maps.append(None)
            else:
                if (owner := owners.setdefault(file.stem, file)) != file:
                    raise InputError(f"The label map {path} could belong to {owner} and to {file}.")
                made = _read(path, picture.shape[:2])
                self.maps.append(made)
                self.digest = zlib.crc32(made.data, zlib.crc32(number.to_bytes(4, "little"), self.digest))
            report(number + 1, len(crops.files))

    @property
    def missing(self) -> int:
        """How many pictures have no map."""
        return sum(made is None for made in self.maps)

    def draw(self, step: int, sample: int) -> np.ndarray:
        """The labels under crop number `sample` of step `step`: uint8 (crop, crop)."""
        cut = self.crops.cut(step, sample)
        labels = self.maps[cut.index]
        if labels is None:
            return np.zeros((cut.side, cut.side), np.uint8)
        return cut.of(labels, Image.Resampling.NEAREST)


def _by_stem(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise InputError(f"There is no folder of label maps at {folder}.")
    found: dict[str, Path] = {}
    for path in sorted(folder.rglob("*.png")):
        if not path.name.startswith(".") and (other := found.setdefault(path.stem, path)) != path:
            raise InputError(f"The label maps {other} and {path} have the same name.")
    if not found:
        raise InputError(f"The folder {folder} holds no label maps (PNG).")
    return found


def _read(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        with Image.open(path, formats=("PNG",)) as image:
            mode, labels = image.mode, np.array(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"The label map {path} cannot be read: {error}") from error
    if mode != "L":
        raise InputError(f"The label map {path} has mode {mode}; it must have mode L.")
    if labels.shape != shape:
        raise InputError(f"The label map {path} has {_size(labels.shape)} pixels, but its picture has {_size(shape)}.")
    return labels


def _size(shape: tuple[int, ...]) -> str:
    return f"{shape[1]}x{shape[0]}"
