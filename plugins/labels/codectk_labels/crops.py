"""What the segmenter learns from: crops with label maps, and thumbnails of which only the kind of scene is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from codectk.base.errors import InputError
from codectk.picture.read import read_picture
from codectk.train.data import list_pictures
from codectk_labels.groups import GROUPS, NAMES, VOID
from codectk_labels.panoptic import find_panoptic, group_map

CROP = 320
"""Side of a training crop in pixels."""

THUMBNAIL = 192
"""Side to which scene thumbnails are enlarged."""

SCALES = (0.35, 1.2)
"""Range of the factor by which a picture is reduced or enlarged before cropping."""

CELL = 4
"""Pixels of a label map that one logit answers for, along each axis."""

TEST_EVERY = 5
"""Every fifth picture by name is kept out of training."""

SCENES: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "mountains": ("mountain", ("sky", "water", "mountain", "plant", "grass", "ground", "road", "building", "person")),
    "glacier": (None, ("sky", "water", "mountain", "ground")),
    "sea": ("water", ("sky", "water", "mountain", "plant", "ground", "building", "person", "vehicle")),
    "forests": ("plant", ("sky", "water", "mountain", "plant", "grass", "ground", "road")),
    "buildings": ("building", ("sky", "water", "plant", "grass", "ground", "road", "building", "person", "vehicle")),
    "street": ("building", ("sky", "plant", "grass", "ground", "road", "building", "person", "vehicle", "object")),
}
"""By folder name: the group that must be somewhere (None: none for sure), and those that may be anywhere."""


@dataclass(frozen=True)
class Labeled:
    """A picture uint8 (H, W, 3) and its label map uint8 (H, W)."""

    stem: str
    pixels: np.ndarray
    labels: np.ndarray


@dataclass(frozen=True)
class Scene:
    """A thumbnail uint8 (H, W, 3), bool (13,) which groups it may hold, and the channel it must hold or -1."""

    pixels: np.ndarray
    allowed: np.ndarray
    required: int


def load_labeled(folder: Path) -> tuple[list[Labeled], list[Labeled]]:
    """Load a COCO-panoptic folder: pictures to train on, and those kept out.

    Raises:
        InputError: as `panoptic.find_panoptic`, or a picture's size is not its label map's.
    """
    loaded = []
    for picture, png, segments in find_panoptic(folder):
        pixels, labels = read_picture(picture).pixels, group_map(png, segments)
        if pixels.shape[:2] != labels.shape:
            raise InputError(f"{picture} and {png} differ in size.")
        loaded.append(Labeled(picture.stem, pixels, labels))
    loaded.sort(key=lambda entry: entry.stem)
    test = loaded[TEST_EVERY - 1 :: TEST_EVERY]
    return [entry for number, entry in enumerate(loaded, 1) if number % TEST_EVERY], test


def load_scenes(folder: Path) -> list[Scene]:
    """Load thumbnails from the subfolders that `SCENES` names; others are left alone.

    Raises:
        InputError: there is none of the subfolders, or a picture cannot be read.
    """
    scenes = []
    for kind, (required, names) in SCENES.items():
        allowed = np.array([group.name in names for group in GROUPS])
        channel = -1 if required is None else NAMES.index(required) - 1
        paths = list_pictures([folder / kind]) if (folder / kind).is_dir() else []
        scenes += [Scene(read_picture(path).pixels, allowed, channel) for path in paths]
    if not scenes:
        raise InputError(f"{folder} has none of the folders {', '.join(SCENES)}.")
    return scenes


def draw_weights(entries: Sequence[Labeled]) -> tuple[np.ndarray, Tensor]:
    """How often to draw each picture, and how much each group's pixels count.

    Returns:
        Probability by picture, higher for pictures with groups that few others have; float32 (13,) loss weights
        around 1, higher for groups of few pixels.
    """
    present = np.array([np.bincount(entry.labels.ravel(), minlength=len(NAMES))[1:] for entry in entries])
    seen = present > 0.02 * np.array([entry.labels.size for entry in entries])[:, None]
    rarity = 1 / np.sqrt(np.maximum(seen.sum(0), 1))
    draw = np.where(seen, rarity, rarity.min()).max(1)
    share = present.sum(0) / present.sum()
    weight = 1 / np.sqrt(np.maximum(share, 0.005))
    return draw / draw.sum(), torch.tensor(weight / weight.mean(), dtype=torch.float32)


def draw_crop(entry: Labeled, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A random crop.

    Returns:
        float (3, CROP, CROP) in [0, 1], and float16 (13, CROP / 4, CROP / 4): share of each group among the pixels
        of a cell; void pixels belong to none.
    """
    scale = float(np.exp(rng.uniform(*np.log(SCALES))))
    height, width = (max(round(side * scale), 16) for side in entry.labels.shape)
    pixels = Image.fromarray(entry.pixels).resize((width, height), Image.Resampling.BILINEAR, reducing_gap=2.0)
    labels = Image.fromarray(entry.labels).resize((width, height), Image.Resampling.NEAREST)
    # Beyond the picture: grey, of unknown label.
    top, left = (int(rng.integers(-max(CROP - side, 0), max(side - CROP, 0) + 1)) for side in (height, width))
    box = (left, top, left + CROP, top + CROP)
    x, y = _cut(np.asarray(pixels), box, 128), _cut(np.asarray(labels), box, VOID)
    if rng.random() < 0.5:
        x, y = x[:, ::-1], y[:, ::-1]
    return jitter(x, rng), shares(y)


def draw_scene(scene: Scene, rng: np.random.Generator) -> Tensor:
    """A thumbnail, enlarged: float (3, THUMBNAIL, THUMBNAIL) in [0, 1]."""
    x = np.asarray(Image.fromarray(scene.pixels).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC))
    return jitter(x[:, ::-1] if rng.random() < 0.5 else x, rng)


def jitter(pixels: np.ndarray, rng: np.random.Generator) -> Tensor:
    """uint8 (H, W, 3) to float (3, H, W) in [0, 1], with random brightness, contrast and saturation."""
    x = torch.from_numpy(np.array(pixels)).permute(2, 0, 1).float() / 255
    brightness, contrast, saturation = rng.uniform((-0.1, 0.75, 0.6), (0.1, 1.25, 1.3))
    grey = x.mean(0, keepdim=True)
    x = grey + (x - grey) * saturation
    jittered: Tensor = (x - 0.5) * contrast + 0.5 + brightness
    return jittered.clamp(0, 1)


def shares(labels: np.ndarray) -> Tensor:
    """Share of each group in every cell: float16 (13, H / 4, W / 4) of a label map uint8 (H, W)."""
    one_hot = functional.one_hot(torch.from_numpy(np.ascontiguousarray(labels)).long(), len(NAMES))
    means: Tensor = functional.avg_pool2d(one_hot.permute(2, 0, 1)[1:].float(), CELL)
    return means.half()


def _cut(array: np.ndarray, box: tuple[int, int, int, int], fill: int) -> np.ndarray:
    """The part of an array (H, W, ...) in a box (left, top, right, bottom) that may reach beyond it."""
    left, top, right, bottom = box
    out = np.full((bottom - top, right - left, *array.shape[2:]), fill, array.dtype)
    inner = array[max(top, 0) : bottom, max(left, 0) : right]
    y, x = max(-top, 0), max(-left, 0)
    out[y : y + inner.shape[0], x : x + inner.shape[1]] = inner
    return out
