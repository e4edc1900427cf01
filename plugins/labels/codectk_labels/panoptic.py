"""COCO-panoptic annotations, a PNG of segment ids and a JSON of their categories, as label maps."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from codectk.base.errors import InputError
from codectk_labels.groups import GROUPS, group_table


def read_segments(path: Path) -> dict[str, dict[int, int]]:
    """Read the segments of an annotation file such as `panoptic_val2017.json`.

    Returns:
        Category id by segment id, by the stem of the picture's name.

    Raises:
        InputError: the file cannot be read, is no such annotation, or gives one of its categories another name.
    """
    try:
        data = json.loads(path.read_bytes())
        names = {int(category["id"]): str(category["name"]) for category in data.get("categories", ())}
        segments = {Path(entry["file_name"]).stem: _categories(entry) for entry in data["annotations"]}
    except OSError as error:
        raise InputError(f"The annotations {path} cannot be read: {error.strerror or error}.") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not a COCO-panoptic annotation file.") from error
    known = {number: name for group in GROUPS for number, name in group.categories.items()}
    for number, name in names.items():
        if known.get(number) != name:
            raise InputError(f"{path} calls category {number} '{name}', which COCO-panoptic does not.")
    return segments


def group_map(path: Path, segments: Mapping[int, int]) -> np.ndarray:
    """Turn the PNG of one picture into its label map.

    Args:
        path: PNG whose color is the segment id R + 256 G + 65536 B, 0 where there is none.
        segments: category id by segment id, see `read_segments`.

    Returns:
        uint8 (H, W), 0 void or the index of a group.

    Raises:
        InputError: the PNG cannot be read, or holds a segment that is not listed.
    """
    try:
        with Image.open(path) as picture:
            colors = np.asarray(picture.convert("RGB")).astype(np.int64)
    except OSError as error:
        raise InputError(f"The panoptic PNG {path} cannot be read: {error}.") from error
    ids, places = np.unique(colors @ np.array([1, 256, 65536]), return_inverse=True)
    missing = [number for number in ids.tolist() if number and number not in segments]
    if missing:
        raise InputError(f"{path} holds the segment {missing[0]}, which its annotations do not list.")
    labels = group_table()[[segments[number] if number else 0 for number in ids.tolist()]]
    return labels[places.reshape(colors.shape[:2])]


def find_panoptic(folder: Path) -> list[tuple[Path, Path, Mapping[int, int]]]:
    """List the pictures of a COCO folder that have panoptic annotations.

    Args:
        folder: with `panoptic_NAME.json` beside the folders `NAME` (JPEG) and `panoptic_NAME` (PNG).

    Returns:
        (picture, panoptic PNG, its segments), by annotation file and picture name.

    Raises:
        InputError: there is no annotation file, or one of its pictures or PNGs is missing.
    """
    found: list[tuple[Path, Path, Mapping[int, int]]] = []
    for listed in sorted(folder.glob("panoptic_*.json")):
        pictures = folder / listed.stem.removeprefix("panoptic_")
        for stem, segments in sorted(read_segments(listed).items()):
            row = (pictures / f"{stem}.jpg", folder / listed.stem / f"{stem}.png", segments)
            for path in row[:2]:
                if not path.is_file():
                    raise InputError(f"{listed} lists {path}, which is missing.")
            found.append(row)
    if not found:
        raise InputError(f"There is no file panoptic_*.json with annotations in {folder}.")
    return found


def _categories(entry: Mapping[str, Any]) -> dict[int, int]:
    return {int(segment["id"]): int(segment["category_id"]) for segment in entry["segments_info"]}
