"""codectk encode"""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codectk.base.errors import OutputError, UsageError
from codectk.base.outputs import Outputs
from codectk.cli import batch
from codectk.cli.batch import Done, Job
from codectk.cli.errors import State
from codectk.cli.first_use import FirstUse, yes_option
from codectk.cli.notes import note, notes
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
    from codectk.picture.read import Kinds

SUFFIX = ".ctk"

_COMMON = {".avif", ".bmp", ".gif", ".heic", ".heif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}
PICTURES = frozenset(_COMMON | {".pbm", ".pgm", ".pnm", ".ppm"})
"""Suffixes of what is taken from folders."""


@click.command("encode")
@click.argument("sources", nargs=-1, required=True, metavar="IN...")
@click.option("-o", "--output", required=True, metavar="OUT", help=f"A {SUFFIX} file, or a folder for several inputs.")
@click.option(
    "--codec",
    default="segpic",
    show_default=True,
    metavar="NAME",
    help="See 'codectk plugins'; or a bundle, FILE.ctkb.",
)
@click.option("--weights", metavar="NAME|FILE", help="Other weights than the codec's own; see 'codectk weights list'.")
@knob_options
@click.option("--target-bpp", type=float, metavar="N", help="Search for a file of N bits per pixel.")
@click.option("--target-bytes", type=float, metavar="N", help="Search for a file of N bytes.")
@click.option("--strict", is_flag=True, help="With a target: never go above it.")
@click.option(
    "--best-of",
    type=click.IntRange(min=1),
    metavar="N",
    help="Paint with N seeds and keep the most faithful picture, for codecs that have a seed.",
)
@click.option(
    "--effort",
    type=click.IntRange(0, 9),
    help="Look longer for a better file, for codecs that can: 7 saves 5 to 7 % of the bytes in minutes. "
    "Not given, it is what the codec's card says: 0 for most.",
)
@click.option(
    "--importance", metavar="MASK.png", help="With --effort: a picture of the same size, white where errors matter."
)
@click.option("--keep-icc", is_flag=True, help="Keep the color profile instead of converting to sRGB.")
@click.option("--keep", default="", metavar="KINDS", help="Keep metadata: exif, xmp and icc, such as exif,xmp.")
@click.option("--aligned", is_flag=True, help="The picture is framed already; for codecs that align pictures.")
@click.option("--strict-domain", is_flag=True, help="Refuse pictures that the codec was not made for.")
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
    codec: str,
    weights: str | None,
    knobs: dict[str, str],
    target_bpp: float | None,
    target_bytes: float | None,
    strict: bool,
    best_of: int | None,
    effort: int | None,
    importance: str | None,
    keep_icc: bool,
    keep: str,
    aligned: bool,
    strict_domain: bool,
    recursive: bool,
    overwrite: bool,
    yes: bool,
    device: str,
    engine: str,
    as_json: bool,
) -> int:
    """Turn pictures into .ctk files.

    An existing output is replaced, but only when its picture was encoded. With several inputs, OUT is a folder,
    failures do not stop the others, and the exit code is the highest of all.

    With -r, OUT is a folder with the structure of the inputs. A journal in it lets the same command go on where it was
    killed, and skip what has not changed since.
    """
    from codectk.picture.read import kept_kinds
    from codectk.pipeline.goal import seed_knob
    from codectk.pipeline.load import card_of
    from codectk.spec.card import resolve_knobs

    targets = {"target_bpp": target_bpp, "target_bytes": target_bytes}
    _check_targets(targets, strict, best_of)
    kept = kept_kinds(keep) | ({"icc"} if keep_icc else frozenset())
    # From the card alone, so that a wrong knob is told before any picture or network is loaded.
    card = card_of(codec)
    resolve_knobs(card, knobs, "encoder")
    if best_of is not None:
        seed_knob(card)
    arguments = {
        "codec": codec,
        "weights": weights,
        "strict": strict,
        "best_of": best_of,
        "effort": effort,
        "importance": importance,
        "aligned": aligned,
        "strict_domain": strict_domain,
        "device": device,
        "engine": engine,
        **targets,
        **knobs,
    }
    work = partial(_encode, kept, card.name, arguments, FirstUse(yes))
    outputs = Outputs(name for name in (codec, weights, importance) if name and Path(name).is_file())
    if recursive:
        from codectk.cli import archive

        planned = archive.plan(sources, output, SUFFIX, PICTURES, outputs)
        return archive.run(planned, work, state, output, [kept, arguments], as_json=as_json, overwrite=overwrite)
    planned = batch.plan(sources, output, SUFFIX, outputs)
    for job in planned:
        if not job.to_stdout and job.target.suffix.lower() != SUFFIX:
            raise OutputError(f"'{job.target}' does not end in {SUFFIX}.")
    return batch.run(planned, work, state, as_json=as_json)


def _check_targets(targets: dict[str, float | None], strict: bool, best_of: int | None) -> None:
    given = [value for value in targets.values() if value is not None]
    if len(given) == 2:
        raise UsageError("Give --target-bpp or --target-bytes, not both.")
    if strict and not given:
        raise UsageError("--strict has a meaning only with --target-bpp or --target-bytes.")
    if best_of is not None and given:
        raise UsageError("Give --best-of or a target, not both.")


def _encode(kept: Kinds, name: str, arguments: dict[str, Any], first_use: FirstUse, job: Job, bar: Bar) -> Done:
    from codectk import api
    from codectk.picture.read import read_picture

    picture = read_picture(job.open(), keep=kept)
    for remark in picture.notes:
        bar.warn(note(job.source, remark))

    def encode() -> tuple[bytes, float]:
        started = time.perf_counter()
        data = api.encode(picture, **arguments, progress=bar.within)
        return data, time.perf_counter() - started

    with notes(job.source, bar.warn):
        data, seconds = first_use.run(encode, bar)
    info = api.info(data)
    job.write(data)
    chosen = {"seed": info.knobs["seed"]} if arguments["best_of"] is not None else {}
    told = "".join(f", {knob} {value}" for knob, value in chosen.items())
    return Done(
        f"{job.source} -> {job.target}: {len(data):,} bytes, {info.bpp:.4f} bpp, {seconds:.1f} s{told}",
        {
            "codec": name,
            "width": info.width,
            "height": info.height,
            "bytes": len(data),
            "bpp": info.bpp,
            "seconds": round(seconds, 3),
            **chosen,
        },
    )
