"""Encode a photo, decode it, and set JPEG and WebP of the same size beside it.

    python examples/demo.py PHOTO FOLDER [CODEC] [QUALITY]

Writes FOLDER/photo.ctk, FOLDER/decoded.png and FOLDER/side-by-side.png, and prints a table.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from rich.console import Console

import codectk
from codectk.api import decode_picture
from codectk.base.atomic import atomic_write
from codectk.base.errors import CodectkError
from codectk.eval.side_by_side import entry, references_at_size, sheet, table, to_png
from codectk.picture.read import read_picture
from codectk.picture.write import write_picture


def write(path: Path, data: bytes) -> None:
    with atomic_write(path) as file:
        file.write(data)


def main(photo: str, folder: str, codec: str = "segpic", quality: str = "25") -> None:
    out = Path(folder)
    out.mkdir(parents=True, exist_ok=True)
    source = read_picture(photo)
    codectk.encode(source.pixels[:64, :64], codec=codec)  # loads the weights, so that times below are the codec's own

    start = time.perf_counter()
    data = codectk.encode(source, codec=codec, quality=float(quality))
    encoded = time.perf_counter()
    decoded = decode_picture(data)
    finished = time.perf_counter()

    write(out / "photo.ctk", data)
    write_picture(out / "decoded.png", decoded)
    ours = entry(f"{codec} q{quality}", source.pixels, data, decoded.pixels, encoded - start, finished - encoded)
    entries = [ours, *references_at_size(source.pixels, len(data))]
    write(out / "side-by-side.png", to_png(sheet(source.pixels, entries)))

    console = Console()
    console.print(table(entries))
    info = codectk.info(data)
    console.print(
        f"{photo}: {source.width} x {source.height} pixels, {len(data):,} bytes, of which {info.overhead_bytes} are "
        f"not coded latents; weights {info.weights_hash}, portable: {'yes' if info.portable else 'no'}."
    )
    console.print(f"Look at {out / 'side-by-side.png'}; codectk info {out / 'photo.ctk'} tells what decodes the file.")


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except CodectkError as error:
        sys.exit(f"demo: {error}")
