"""Side-by-side sheets of an evaluation's files."""

from __future__ import annotations

from pathlib import Path

from codectk.base.atomic import atomic_write
from codectk.eval.beside import entry, references_at_size, sheet
from codectk.eval.compare import to_png
from codectk.eval.pictures import Source
from codectk.eval.run import Measurement
from codectk.picture.read import read_picture


def write_sheet(source: Source, measurement: Measurement, folder: Path, suffix: str, target: Path) -> Path:
    """Draw one measured file beside JPEG and WebP of the same size.

    Args:
        source: the picture.
        measurement: one of its files.
        folder: where `run.evaluate` put its files.
        suffix: of the codec's files, with the dot.
        target: existing folder for the sheet.

    Returns:
        Path of the sheet, a PNG named after the codec, picture and quality.

    Raises:
        OutputError: it cannot be written.
    """
    data = measurement.coded_file(folder, suffix).read_bytes()
    own = entry(
        f"{measurement.codec}, "
        + (measurement.point if measurement.quality is None else f"quality {measurement.quality:g}"),
        source.pixels,
        data,
        read_picture(measurement.decoded_file(folder)).pixels,
        measurement.encode.total,
        measurement.decode.total,
    )
    path = target / f"{measurement.codec}-{measurement.stem}.png"
    drawn = sheet(source.pixels, [own, *references_at_size(source.pixels, len(data))])
    with atomic_write(path) as file:
        file.write(to_png(drawn))
    return path
