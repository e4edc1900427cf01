"""codectk decode"""

from __future__ import annotations

import time

import click

from codectk.cli import batch
from codectk.cli.batch import Done, Job
from codectk.cli.errors import State
from codectk.cli.options import collect_knobs, debug_option, device_option, json_option, knob_options
from codectk.cli.output import Bar


@click.command("decode")
@click.argument("sources", nargs=-1, required=True, metavar="IN...")
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="OUT",
    help="A .png, .jpg, .webp, .tif or .ppm file, or a folder (PNG files) for several inputs.",
)
@knob_options
@device_option
@json_option
@debug_option
@click.pass_obj
def command(
    state: State,
    sources: tuple[str, ...],
    output: str,
    pairs: tuple[str, ...],
    quality: str | None,
    seed: str | None,
    steps: str | None,
    realism: str | None,
    device: str,
    as_json: bool,
) -> int:
    """Turn .ctk files back into pictures.

    Only decoder-side knobs can be turned here. An existing output is replaced, but only when its file was decoded.
    """
    knobs = collect_knobs(pairs, quality=quality, seed=seed, steps=steps, realism=realism)

    def work(job: Job, bar: Bar) -> Done:
        return _decode(job, device, knobs)

    return batch.run(batch.plan(sources, output, ".png"), work, state, as_json=as_json)


def _decode(job: Job, device: str, knobs: dict[str, str]) -> Done:
    from codectk import api
    from codectk.picture.write import check_output, write_picture
    from codectk.plugins.manager import find_codec
    from codectk.spec.card import resolve_knobs

    if not job.makes_folder or job.target.parent.is_dir():
        check_output(job.target)
    if knobs:
        # From the card alone, so that a wrong knob is told before any network is loaded.
        info = api.info(job.source)
        card, _ = find_codec(info.codec, distribution=info.codec_distribution)
        resolve_knobs(card, knobs, "decoder")
    started = time.perf_counter()
    picture = api.decode_picture(job.source, device=device, **knobs)
    seconds = time.perf_counter() - started
    job.prepare_folder()
    write_picture(job.target, picture)
    size = f"{picture.width} x {picture.height}"
    return Done(
        f"{job.source} -> {job.target}: {size} pixels, {seconds:.1f} s",
        {"width": picture.width, "height": picture.height, "seconds": round(seconds, 3)},
    )
