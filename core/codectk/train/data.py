"""Training pictures and their label maps: decoded once into memory, cropped by counter-based draws."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from codectk.base.errors import InputError, UsageError
from codectk.picture.read import read_picture
from codectk.train.bar import Bar
from codectk.train.draws import Purpose, numbers
from codectk.train.settings import Recipe

EXTENSIONS = {".png", ".jpg", ".jpeg", ".webp", ".ppm", ".tif", ".tiff", ".bmp"}


def list_pictures(paths: Iterable[str | Path]) -> list[Path]:
    """Picture files named or below the folders named, sorted within each folder; hidden ones are left out.

    Raises:
        InputError: a path does not exist, or there is no picture at all.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"There is no training data at {path}.")
        below = (p for p in path.rglob("*") if p.suffix.lower() in EXTENSIONS and not p.name.startswith("."))
        found += [path] if path.is_file() else sorted(below)
    if not found:
        raise InputError("The training data paths hold no pictures.")
    return found


def shared(weight: np.ndarray, files: Sequence[Path], shares: Mapping[str, float]) -> np.ndarray:
    """Weights of pictures, scaled so that folders have their shares of the sum.

    Raises:
        InputError: no picture comes from one of the folders, or none is left for the rest.
        UsageError: the shares leave nothing for the rest, or one is not positive.
    """
    if shares and (min(shares.values()) <= 0 or sum(shares.values()) >= 1):
        raise UsageError("data.shares must be positive and leave something of 1 for the other pictures.")
    names = list(shares)
    owner = np.array([next((k for k, name in enumerate(names) if name in f.parent.parts), -1) for f in files])
    parts = [1 - sum(shares.values()), *shares.values()]
    result = np.zeros(len(files))
    for k, part in enumerate(parts, -1):
        inside = owner == k
        if not inside.any():
            which = f"below a folder '{names[k]}'" if k >= 0 else "outside the folders of data.shares"
            raise InputError(f"No training picture of sufficient size lies {which}.")
        result[inside] = part * weight[inside] / weight[inside].sum()
    return result


@dataclass(frozen=True)
class Cut:
    """Where a crop comes from: a square of `source` pixels at (`top`, `left`) of picture number `index`, reduced to
    `side` pixels, then flipped, then transposed."""

    index: int
    top: int
    left: int
    source: int
    side: int
    flip: bool
    transpose: bool

    def of(self, pixels: np.ndarray, resampling: Image.Resampling) -> np.ndarray:
        """Crop uint8 pixels (H, W) or (H, W, 3)."""
        crop = pixels[self.top : self.top + self.source, self.left : self.left + self.source]
        if self.source != self.side:
            crop = np.asarray(Image.fromarray(crop).resize((self.side, self.side), resampling))
        if self.flip:
            crop = crop[:, ::-1]
        if self.transpose:
            crop = crop.swapaxes(0, 1)
        return np.ascontiguousarray(crop)


class Crops:
    """Random crops of pictures held in memory.

    Args:
        paths: files or folders.
        crop: side in pixels.
        min_side: pictures with a smaller side are left out.
        scale_min: pictures are reduced by a random factor in [scale_min, 1] (where they stay large enough),
            which removes compression artefacts of the sources and varies the content's scale.
        seed: of all draws.
        shares: part of the crops that come from below folders of these names; the other pictures share the rest.
        mirror: flip crops left to right at random.
        transpose: transpose crops at random, so that up may be left.
        report: called with (done, total) while loading.

    Attributes:
        pictures: uint8 (H, W, 3) each.
        files: where each of them was read.
        small: how many files were left out for their size.
        refused: a sentence for each file that cannot be read.
        digest: 32-bit check of all pixels, which tells whether a resumed run has the same data.

    Raises:
        InputError: no path, or no usable picture.
    """

    def __init__(
        self,
        paths: Iterable[str | Path],
        crop: int,
        min_side: int,
        scale_min: float,
        seed: int,
        mirror: bool = True,
        transpose: bool = True,
        shares: Mapping[str, float] | None = None,
        report: Callable[[int, int], None] = lambda done, total: None,
    ):
        self.crop, self.scale_min, self.seed = crop, scale_min, seed
        self.mirror, self.transpose = mirror, transpose
        self.pictures: list[np.ndarray] = []
        self.files: list[Path] = []
        self.small, self.digest = 0, 0
        self.refused: list[str] = []
        need = max(min_side, crop)
        files = list_pictures(paths)
        for number, file in enumerate(files, 1):
            try:
                pixels = read_picture(file).pixels
            except InputError as error:
                self.refused.append(str(error))
            else:
                self._keep(file, pixels, need)
            report(number, len(files))
        if not self.pictures:
            reason = f" The first refusal: {self.refused[0]}" if self.refused else ""
            raise InputError(f"No training picture can be read and has {need} pixels a side.{reason}")
        # Big pictures are drawn more often, but not in proportion: variety counts more than area.
        weight = np.sqrt([p.shape[0] * p.shape[1] for p in self.pictures])
        weight = shared(weight, self.files, shares or {})
        self._cumulative = np.cumsum(weight / weight.sum())

    def _keep(self, file: Path, pixels: np.ndarray, need: int) -> None:
        if min(pixels.shape[:2]) < need:
            self.small += 1
            return
        self.pictures.append(pixels)
        self.files.append(file)
        self.digest = zlib.crc32(np.ascontiguousarray(pixels).data, self.digest)

    def cut(self, step: int, sample: int) -> Cut:
        """Where crop number `sample` of step `step` lies."""
        rng = numbers(self.seed, step, sample, Purpose.CROP)
        index = min(int(np.searchsorted(self._cumulative, rng.random())), len(self.pictures) - 1)
        height, width = self.pictures[index].shape[:2]
        source = min(round(self.crop / rng.uniform(self.scale_min, 1.0)), height, width)
        top = int(rng.integers(height - source + 1))
        left = int(rng.integers(width - source + 1))
        flip, transpose = (wanted and rng.random() < 0.5 for wanted in (self.mirror, self.transpose))
        return Cut(index, top, left, source, self.crop, flip, transpose)

    def draw(self, step: int, sample: int) -> np.ndarray:
        """Crop number `sample` of step `step`: uint8 (crop, crop, 3)."""
        cut = self.cut(step, sample)
        return cut.of(self.pictures[cut.index], Image.Resampling.LANCZOS)


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


def load_data(recipe: Recipe, bar: Bar, say: Callable[[str], None], labelled: bool) -> tuple[Crops, LabelMaps | None]:
    """The training pictures of a recipe, with their label maps if they are `labelled`.

    Raises:
        InputError: as `Crops` and `LabelMaps`.
    """
    d = recipe.data

    def report(what: str) -> Callable[[int, int], None]:
        def show(done: int, total: int) -> None:
            if done == 1:
                bar.begin(what, total)
            bar.show(done)

        return show

    crops = Crops(
        d.paths, d.crop, d.min_side, d.scale_min, recipe.optim.seed, d.mirror, d.transpose, d.shares,
        report("reading pictures"),
    )  # fmt: skip
    if crops.small:
        say(f"{crops.small} pictures are smaller than {max(d.crop, d.min_side)} pixels and are left out.")
    if crops.refused:
        say(f"{len(crops.refused)} pictures cannot be used, the first: {crops.refused[0]}")
    if not labelled:
        return crops, None
    labels = LabelMaps(Path(d.labels), crops, report("reading label maps"))
    if labels.missing:
        say(f"{labels.missing} of {len(crops.pictures)} pictures have no label map in {d.labels} and count as void.")
    return crops, labels


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
