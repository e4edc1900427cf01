"""codectk decode"""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codectk.base.errors import UsageError
from codectk.base.outputs import Outputs
from codectk.bitstream.layers import read_source
from codectk.cli import batch
from codectk.cli.batch import Done, Job
from codectk.cli.errors import State
from codectk.cli.first_use import FirstUse, yes_option
from codectk.cli.notes import notes
from codectk.cli.options import (
    archive_options,
    debug_option,
    device_option,
    engine_option,
    json_option,
    knob_options,
    resource_options,
)
from codectk.cli.output import Bar

if TYPE_CHECKING:
    from codectk.base.types import Picture


STRIP = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Values of the knob `realism` in a strip."""


@click.command("decode")
@click.argument("sources", nargs=-1, required=True, metavar="IN...")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT",
    help="A .png, .jpg, .webp, .tif or .ppm file, or a folder (PNG files) for several inputs.",
)
@click.option("--realism-strip", "strip", is_flag=True, help="Write five pictures side by side, realism 0 to 1.")
@click.option(
    "--layers",
    type=click.IntRange(min=0),
    metavar="N",
    help="Decode at most N layers after the base, if the codec has some.",
)
@click.option("--region", metavar="X,Y,W,H", help="Decode a part of the picture; of one in tiles, only what it needs.")
@click.option("--scale", default="1", metavar="1/2|1/4|1/8", help="Reduce the picture while it is decoded.")
@click.option(
    "--weights", metavar="NAME|FILE", help="The weights or the bundle that the files name, if they are not found."
)
@knob_options
@archive_options
@resource_options
@yes_option
@device_option
@engine_option
@json_option
@debug_option
@click.pass_obj
def command(
    state: State,
    sources: tuple[str, ...],
    output: str,
    knobs: dict[str, str],
    strip: bool,
    layers: int | None,
    region: str | None,
    scale: str,
    weights: str | None,
    recursive: bool,
    overwrite: bool,
    yes: bool,
    device: str,
    engine: str,
    as_json: bool,
) -> int:
    """Turn .ctk files back into pictures.

    Only decoder-side knobs apply here. An existing output is replaced, but only when its file was decoded.
    A file of a layered codec that ends after a whole layer is decoded, too, with a note.
    With -r, OUT is a folder with the structure of the inputs, and the same command goes on where it was killed.
    """
    if strip and "realism" in knobs:
        raise UsageError("--realism and --realism-strip contradict each other; give one of them.")
    settings = [{**knobs, "realism": f"{value:g}"} for value in STRIP] if strip else [knobs]

    part = {"layers": layers, "region": _region(region), "scale": _scale(scale)}
    where = {"device": device, "engine": engine, "weights": weights}
    work = partial(_decode, where, part, settings, FirstUse(yes))
    outputs = Outputs([weights] if weights and Path(weights).is_file() else [])
    if recursive:
        from codectk.cli import archive

        planned = archive.plan(sources, output, ".png", {".ctk"}, outputs)
        return archive.run(planned, work, state, output, [where, part, settings], as_json=as_json, overwrite=overwrite)

    from codectk.picture.write import check_format

    planned = batch.plan(sources, output, ".png", outputs)
    for job in planned:
        check_format(job.target)
    return batch.run(planned, work, state, as_json=as_json)


def _region(text: str | None) -> tuple[int, ...] | None:
    try:
        return None if text is None else tuple(int(number) for number in text.split(","))
    except ValueError:
        raise UsageError(f"--region is four whole numbers, X,Y,W,H in pixels, not {text!r}.") from None


def _scale(text: str) -> int:
    """1/2, or 2, as the whole number by which a picture is reduced."""
    number = text.removeprefix("1/")
    if not number.isdecimal():
        raise UsageError(f"--scale is 1/2, 1/4 or 1/8, not {text!r}.")
    return int(number)


def _decode(
    where: dict[str, Any],
    part: dict[str, Any],
    settings: Sequence[dict[str, str]],
    first_use: FirstUse,
    job: Job,
    bar: Bar,
) -> Done:
    from codectk import api
    from codectk.picture.strip import strip
    from codectk.picture.write import encode_file
    from codectk.pipeline.load import card_for
    from codectk.spec.card import resolve_knobs

    source = read_source(job.open(), part["layers"], tiles=part["region"] is not None)
    if any(settings):
        # From the card alone, so that a wrong knob is told before any network is loaded.
        card = card_for(source.header, where["weights"])
        for knobs in settings:
            resolve_knobs(card, knobs, "decoder")

    def decode() -> tuple[list[Picture], float]:
        started = time.perf_counter()
        pictures = list(api.decode_pictures(source, settings, **part, **where))
        return pictures, time.perf_counter() - started

    with notes(job.source, bar.warn):
        pictures, seconds = first_use.run(decode, bar)
    picture = pictures[0]
    if len(settings) > 1:
        picture = strip(pictures, [f"realism {knobs['realism']}" for knobs in settings])
    job.write(encode_file(picture, job.target))
    size = f"{picture.width} x {picture.height}"
    return Done(
        f"{job.source} -> {job.target}: {size} pixels, {seconds:.1f} s",
        {"width": picture.width, "height": picture.height, "seconds": round(seconds, 3)},
    )
