"""Write label PNGs: `python -m codectk_labels.write PICTURES... -o DIR`, or true ones with `--panoptic DIR`.

A label PNG has one 8-bit channel: 0 void, 1..13 the groups in `groups.py`. It is named like its picture's stem.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import click
import numpy as np
from PIL import Image

from codectk.base.atomic import atomic_write
from codectk.base.errors import CodectkError, InputError, UsageError
from codectk.picture.read import read_picture
from codectk.train.bar import Bar
from codectk.train.data import list_pictures
from codectk_labels.groups import palette
from codectk_labels.panoptic import find_panoptic, group_map

Job = tuple[Path, Callable[[], np.ndarray]]
"""A picture, and what makes its label map."""


def write_labels(path: Path, labels: np.ndarray) -> None:
    """Write a label map uint8 (H, W) as a PNG of one channel, whole or not at all.

    Raises:
        OutputError: the folder is missing or cannot be written.
    """
    with atomic_write(path) as file:
        Image.fromarray(labels).save(file, "PNG", optimize=True)


def overlay(pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Picture and label colors side by side, mixed and plain: uint8 (H, 2 W, 3) from (H, W, 3) and (H, W)."""
    colors = palette()[labels]
    mixed = (pixels.astype(np.uint16) + colors) // 2
    return np.concatenate((mixed.astype(np.uint8), colors), 1)


def targets(pictures: Iterable[Path], folder: Path) -> list[Path]:
    """Where the label PNGs of pictures go.

    Raises:
        UsageError: two pictures of different folders have the same stem.
    """
    paths: dict[Path, Path] = {}
    for picture in pictures:
        path = folder / f"{picture.stem}.png"
        if path in paths:
            raise UsageError(f"{paths[path]} and {picture} would both become {path.name}; write them to two folders.")
        paths[path] = picture
    return list(paths)


def _predicted(pictures: Iterable[Path], weights: Path | None) -> list[Job]:
    # torch and the weights are not needed for true labels.
    from codectk_labels.predict import label_map
    from codectk_labels.preset import load_segmenter

    segmenter = load_segmenter(weights)

    def labels_of(path: Path) -> np.ndarray:
        return label_map(segmenter, read_picture(path).pixels)

    return [(path, partial(labels_of, path)) for path in pictures]


def _true(folder: Path) -> list[Job]:
    return [(picture, partial(group_map, png, segments)) for picture, png, segments in find_panoptic(folder)]


@click.command()
@click.argument("pictures", nargs=-1, type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), required=True, help="Folder for the label PNGs.")
@click.option("--panoptic", type=click.Path(path_type=Path), help="COCO-panoptic folder: write its true labels.")
@click.option("--weights", type=click.Path(path_type=Path), help="Head weights other than those of this package.")
@click.option("--overlays", type=click.Path(path_type=Path), help="Folder for pictures mixed with their label colors.")
def main(
    pictures: tuple[Path, ...], output: Path, panoptic: Path | None, weights: Path | None, overlays: Path | None
) -> None:
    """Write the label map of every picture (files or folders)."""
    try:
        if not pictures and panoptic is None:
            raise UsageError("Name pictures or folders to label, or --panoptic.")
        jobs = _predicted(list_pictures(pictures), weights) if pictures else []
        jobs += _true(panoptic) if panoptic else []
        paths = targets((picture for picture, _ in jobs), output)
        for folder in filter(None, (output, overlays)):
            folder.mkdir(parents=True, exist_ok=True)
        with Bar() as bar:
            bar.begin("labels", len(jobs))
            for number, ((picture, make), path) in enumerate(zip(jobs, paths, strict=True), 1):
                labels = make()
                write_labels(path, labels)
                if overlays:
                    _write_overlay(overlays / path.name, picture, labels)
                bar.show(number)
        click.echo(f"{len(jobs)} label maps written to {output}.")
    except CodectkError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        raise click.ClickException(f"Cannot make the folder {error.filename}: {error.strerror}.") from error


def _write_overlay(path: Path, picture: Path, labels: np.ndarray) -> None:
    pixels = read_picture(picture).pixels
    if pixels.shape[:2] != labels.shape:
        raise InputError(f"{picture} and its label map differ in size.")
    with atomic_write(path) as file:
        Image.fromarray(overlay(pixels, labels)).save(file, "PNG")


if __name__ == "__main__":
    main()
