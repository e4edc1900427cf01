"""Paint a folder of faces: `python -m codectk_hsc.training.render -n 8000 -o DIR`."""

from __future__ import annotations

from pathlib import Path

import click
import torch
from PIL import Image

from codectk.base.atomic import atomic_write
from codectk.base.errors import CodectkError
from codectk.train.bar import Bar
from codectk_hsc.generators.library import load_generator, preset_path
from codectk_hsc.training.faces import draw_styles

SIDE = 256
JPEG_QUALITY = 95


@torch.no_grad()
def render(folder: Path, count: int, first: int = 0, device: str = "cpu") -> None:
    """Write faces `first` .. `first + count - 1` as `<number>.jpg` of 256 pixels; those that are there stay.

    Raises:
        WeightsError: the generator is not there.
        OutputError: a file cannot be written.
    """
    generator = load_generator(preset_path(), device)
    folder.mkdir(parents=True, exist_ok=True)
    with Bar() as bar:
        bar.begin("painting faces", count)
        for done, number in enumerate(range(first, first + count), 1):
            path = folder / f"{number:06d}.jpg"
            if not path.exists():
                picture = generator.picture(draw_styles(generator, number)[None], SIDE)[0]
                pixels = (picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
                with atomic_write(path) as file:
                    Image.fromarray(pixels).save(file, "JPEG", quality=JPEG_QUALITY, subsampling=0)
            bar.show(done)


@click.command()
@click.option("-n", "count", type=click.IntRange(1), required=True, help="How many faces.")
@click.option("--first", type=click.IntRange(0), default=0, show_default=True, help="Number of the first.")
@click.option("-o", "folder", type=click.Path(path_type=Path), required=True, help="Folder to fill.")
@click.option("--device", default="cpu", show_default=True)
def main(count: int, first: int, folder: Path, device: str) -> None:
    """Paint faces to train on."""
    try:
        render(folder, count, first, device)
    except CodectkError as error:
        raise click.ClickException(str(error)) from error


if __name__ == "__main__":
    main()
