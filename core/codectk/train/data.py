"""Training pictures: decoded once into memory, cropped by a counter-based draw.

Crop i of step s depends on (seed, s, i) alone, so a resumed run and a run split over processes see the same data.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from codectk.base.errors import InputError

EXTENSIONS = {".png", ".jpg", ".jpeg", ".webp", ".ppm", ".tif", ".tiff", ".bmp"}


def list_pictures(paths: Iterable[str | Path]) -> list[Path]:
    """Picture files named or below the folders named, sorted.

    Raises:
        InputError: a path does not exist, or there is no picture at all.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if not path.exists():
            raise InputError(f"there is no training data at {path}.")
        files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.suffix.lower() in EXTENSIONS)
        found += files
    if not found:
        raise InputError("the training data paths hold no pictures.")
    return found


class Crops:
    """Random crops of pictures held in memory.

    Args:
        paths: files or folders.
        crop: side in pixels.
        min_side: pictures with a smaller side are left out.
        scale_min: pictures are reduced by a random factor in [scale_min, 1] (where they stay large enough),
            which removes compression artefacts of the sources and varies the content's scale.
        seed: of all draws.
        report: called with (done, total) while loading.
    """

    def __init__(
        self,
        paths: Iterable[str | Path],
        crop: int,
        min_side: int,
        scale_min: float,
        seed: int,
        report: Callable[[int, int], None] = lambda done, total: None,
    ):
        files = list_pictures(paths)
        self.crop, self.scale_min, self.seed = crop, scale_min, seed
        self.pictures: list[np.ndarray] = []
        for number, file in enumerate(files, 1):
            with Image.open(file) as image:
                if min(image.size) >= max(min_side, crop) and image.mode == "RGB":
                    self.pictures.append(np.asarray(image))
            report(number, len(files))
        if not self.pictures:
            raise InputError(f"no training picture is an RGB image of at least {max(min_side, crop)} pixels a side.")
        # Big pictures are drawn more often, but not in proportion: variety counts more than area.
        weight = np.sqrt([p.shape[0] * p.shape[1] for p in self.pictures])
        self.cumulative = np.cumsum(weight / weight.sum())

    def draw(self, step: int, sample: int) -> np.ndarray:
        """Crop number `sample` of step `step`: uint8 (crop, crop, 3), flipped and transposed at random."""
        rng = np.random.default_rng((self.seed, step, sample))
        index = min(int(np.searchsorted(self.cumulative, rng.random())), len(self.pictures) - 1)
        picture = self.pictures[index]
        side = self.crop
        scale = rng.uniform(self.scale_min, 1.0)
        source = min(round(side / scale), *picture.shape[:2])
        top = int(rng.integers(picture.shape[0] - source + 1))
        left = int(rng.integers(picture.shape[1] - source + 1))
        crop = picture[top : top + source, left : left + source]
        if source != side:
            crop = np.asarray(Image.fromarray(crop).resize((side, side), Image.Resampling.LANCZOS))
        if rng.random() < 0.5:
            crop = crop[:, ::-1]
        if rng.random() < 0.5:
            crop = crop.transpose(1, 0, 2)
        return np.ascontiguousarray(crop)
