"""codectk compare"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from codectk.base.errors import UsageError, WeightsError
from codectk.cli import output
from codectk.cli.first_use import FirstUse, yes_option
from codectk.cli.options import collect_knobs, debug_option, device_option

if TYPE_CHECKING:
    from codectk.eval.pictures import Source
    from codectk.spec.metrics import PictureMetric


@click.command("compare")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURES...")
@click.option(
    "--codecs", default="segpic,webp,jpeg", show_default=True, metavar="NAME,...",
    help="Codecs, files of bundles, and jpeg, webp, avif, avif-psnr, heic, heic-psnr, jxl or jpeg2000.",
)  # fmt: skip
@click.option("--at-bpp", default="", metavar="N,N,...", help="Sizes in bits per pixel; 0.15 and 0.4 if none is given.")
@click.option("--at-bytes", default="", metavar="N,N,...", help="Sizes in bytes instead.")
@click.option("-o", "--output", "target", required=True, metavar="PAGE.html", help="The page to write.")
@click.option("--png", metavar="SHEET.png", help="All pictures side by side at the first size, for papers.")
@click.option("--knob", "pairs", multiple=True, metavar="NAME=VALUE", help="For codecs that have it; repeatable.")
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME,...",
    help="Beside PSNR, MS-SSIM, SSIMULACRA2 and, where its weights are here, LPIPS: as in codectk eval.",
)  # fmt: skip
@click.option("--lpips-weights", metavar="FILE", help="AlexNet of LPIPS v0.1; else as in codectk eval.")
@click.option("--title", default="Codecs at equal bytes", show_default=True, metavar="TEXT", help="Headline.")
@yes_option
@device_option
@debug_option
def command(
    pictures: tuple[str, ...],
    codecs: str,
    at_bpp: str,
    at_bytes: str,
    target: str,
    png: str | None,
    pairs: tuple[str, ...],
    metrics: tuple[str, ...],
    lpips_weights: str | None,
    title: str,
    yes: bool,
    device: str,
) -> int:
    """Show pictures by several codecs at equal bytes, on one page.

    The page is one file and needs no network: slider, flicker, difference, numbers, plots and a blind test.
    PICTURES are files or folders of them.
    """
    from codectk.base.atomic import atomic_write
    from codectk.base.outputs import Outputs
    from codectk.eval import page
    from codectk.eval.comparison import compare, contenders, scores, sheet
    from codectk.eval.pictures import expand, read_source

    if at_bpp and at_bytes:
        raise UsageError("Give --at-bpp or --at-bytes, not both.")
    sizes = _numbers(at_bytes or at_bpp or "0.15,0.4")
    files, names = expand(map(Path, pictures)), [name.strip() for name in codecs.split(",") if name.strip()]
    writes = Outputs([*files, *(n for n in names if Path(n).is_file()), *([lpips_weights] if lpips_weights else [])])
    for path in (target, png):
        if path:
            writes.write(path)
    knobs = collect_knobs(pairs)
    chosen = FirstUse(yes).run(lambda: contenders(names, device, knobs), output.plain())
    measured = scores(_metrics([w for text in metrics for w in text.split(",") if w], lpips_weights, device))
    sources = [read_source(path) for path in files]

    def wanted(source: Source) -> list[int]:
        height, width = source.pixels.shape[:2]
        return [max(1, round(size if at_bytes else size * width * height / 8)) for size in sizes]

    with output.progress_bar(len(sources) * len(sizes) * len(chosen)) as bar:

        def progress(done: int, total: int | None = None, **fields: object) -> None:
            bar.start("{codec} {picture}".format(**fields))
            bar.advance()

        found = compare(sources, chosen, wanted, measured, progress=progress)
    text = page.build(title, sources, found, chosen, measured, device=device)
    with atomic_write(target) as file:
        file.write(text.encode())
    if png:
        from codectk.eval.side_by_side import to_png

        with atomic_write(png) as file:
            file.write(to_png(sheet(sources, [mine[: len(chosen)] for mine in found], measured)))
    click.echo(f"{target}: {len(sources)} pictures by {len(chosen)} codecs, {len(text.encode()):,} bytes")
    return 0


def _numbers(text: str) -> list[float]:
    try:
        made = sorted({float(part) for part in text.split(",")})
    except ValueError as error:
        raise UsageError(f"Sizes are numbers with commas between them, not '{text}'.") from error
    if not all(0 < size < float("inf") for size in made):
        raise UsageError(f"Sizes are positive numbers, not '{text}'.")
    return made


def _metrics(names: list[str], lpips_weights: str | None, device: str) -> list[PictureMetric]:
    """Metrics of one picture by name; LPIPS without having been asked for where its weights are here."""
    from codectk.metrics import catalog

    weights = {"lpips": lpips_weights}
    made = catalog.build([name for name in names if name != "ssimulacra2"], device, weights)
    if "lpips" not in names:
        try:
            made += catalog.build(["lpips"], device, weights)
        except (WeightsError, ImportError):
            if lpips_weights:
                raise
    found = [metric for metric in made if metric.scope == "picture"]
    if len(found) < len(made):
        raise UsageError("A page shows metrics of one picture, not fid or kid.")
    return found
