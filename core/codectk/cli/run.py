"""codectk run"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from codectk.base.atomic import atomic_write, make_folder
from codectk.base.errors import InputError, OutputError, UsageError
from codectk.base.inputs import read_bytes
from codectk.base.limits import MAX_FILE_BYTES
from codectk.base.outputs import Outputs
from codectk.base.plain import to_json
from codectk.cli import batch
from codectk.cli.batch import Done, Job
from codectk.cli.errors import State
from codectk.cli.options import debug_option, device_option, json_option
from codectk.cli.output import Bar, print_json, print_rows

if TYPE_CHECKING:
    from codectk.base.types import Picture
    from codectk.graph.recipe import Graph
    from codectk.pipeline.codec import Codec

STEPS = ("encode", "decode", "eval")
CODED, PAINTED = ".ctk", ".png"
REPORT, PAGE = "report.json", "report.md"


@click.command("run")
@click.argument("recipe", required=False, metavar="RECIPE.toml")
@click.argument("sources", nargs=-1, metavar="INPUT...")
@click.option("-o", "--output", metavar="DIR", help="Folder for files, pictures and the report.")
@click.option("--only", type=click.Choice(STEPS), help="Do this step alone, on the files of an earlier run.")
@click.option("--set", "overrides", multiple=True, metavar="SECTION.KEY=VALUE", help="Change the recipe; repeatable.")
@click.option("--explain", is_flag=True, help="Print what the recipe wires together; needs no weights.")
@click.option("--list-components", "listing", is_flag=True, help="Print what recipes can name.")
@device_option
@json_option
@debug_option
@click.pass_obj
def command(
    state: State,
    recipe: str | None,
    sources: tuple[str, ...],
    output: str | None,
    only: str | None,
    overrides: tuple[str, ...],
    explain: bool,
    listing: bool,
    device: str,
    as_json: bool,
) -> int:
    """Encode, decode and evaluate pictures with the codec of a recipe.

    INPUTs are pictures or folders of pictures; with --only decode they are .ctk files, with --only eval the originals.
    DIR receives a .ctk file and a .png picture for each, report.json and report.md. Values of knobs stand in the
    recipe under [knobs] or are given as --set knobs.quality=40.
    """
    if listing:
        return _list_components(as_json)
    if recipe is None:
        raise UsageError("Give a RECIPE.toml, or --list-components.")
    from codectk.graph.recipe import load_graph

    graph = load_graph(recipe, overrides)
    graph.card()  # a wrong knob is told before any network is loaded
    if explain:
        from codectk.cli.explain import show

        show(graph)
        return 0
    if not sources or output is None:
        raise UsageError("Give pictures and -o DIR, or --explain.")
    steps = (only,) if only else STEPS
    weights = [graph.at_weights] if graph.at_weights is not None and graph.at_weights.is_file() else []
    run = _Run(graph, steps, device)
    jobs = _planned(_expanded(sources, steps), output, steps, Outputs([recipe, *weights]))
    code = batch.run(jobs, run.work, state, as_json=as_json)
    run.report(Path(output))
    return code


def _planned(sources: list[str], output: str, steps: tuple[str | None, ...], outputs: Outputs) -> list[Job]:
    """What becomes of each input, with all files that will be written stated."""
    folder = outputs.folder(output)
    for source in sources:
        outputs.read(source)
    jobs = [Job(source, folder / f"{Path(source).stem}{CODED}", True) for source in sources]
    for job in jobs:
        for step, suffix in (("encode", CODED), ("decode", PAINTED)):
            if step in steps:
                outputs.write(job.target.with_suffix(suffix), for_=job.source, makes_folder=True)
    for name in (REPORT, PAGE):
        outputs.write(folder / name, makes_folder=True)
    return jobs


@dataclass
class _Run:
    """One recipe at work on many pictures; `rows` holds what was found out about each."""

    graph: Graph
    steps: tuple[str, ...]
    device: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    loaded: Codec | None = None

    def ready(self) -> Codec:
        """The codec, with notes on stderr for what a user may not expect."""
        if self.loaded is None:
            from codectk.pipeline.recipe_weights import ready_of

            self.loaded = ready_of(self.graph, self.device)
            if self.graph.codec is None and self.graph.weights.endswith(".safetensors"):
                name = Path(self.graph.weights).with_suffix(".ctkb").name
                click.echo(
                    "codectk: note: files of these weights decode with this recipe only; 'codectk decode' takes those "
                    f"of a bundle, made by 'codectk export {self.graph.weights} -o {name}'.",
                    err=True,
                )
        return self.loaded

    def knobs(self, side: str) -> dict[str, Any]:
        """The recipe's values for the knobs of one side; an encoder also writes down what it can tell the decoder."""
        known = self.ready().card.knobs
        turned = {name for name, knob in known.items() if knob.side == side or (side == "encoder" and knob.coded)}
        return {name: value for name, value in self.graph.knobs.items() if name in turned}

    def work(self, job: Job, bar: Bar) -> Done:
        """Do the steps for one picture."""
        from codectk.api import info
        from codectk.picture.read import read_picture

        coded, painted = job.target.with_suffix(CODED), job.target.with_suffix(PAINTED)
        row: dict[str, Any] = {"picture": job.target.stem}
        make_folder(job.target.parent)
        original = read_picture(job.source) if "encode" in self.steps or "eval" in self.steps else None
        if "encode" in self.steps and original is not None:
            row["encode_s"] = self._encode(original, coded)
        if "decode" in self.steps:
            source = coded if "encode" in self.steps else Path(job.source)
            row["decode_s"] = self._decode(source, painted)
            coded = source
        about = info(coded)
        row |= {"width": about.width, "height": about.height, "bytes": about.bytes, "bpp": round(about.bpp, 6)}
        if "eval" in self.steps and original is not None:
            if not painted.is_file():
                raise InputError(f"There is no {painted} to evaluate; decode first, without --only eval.")
            row |= _measure(original.pixels, read_picture(painted).pixels)
        self.rows.append(row)
        shown = f"{job.source} -> {painted if 'encode' not in self.steps else coded}: {about.bytes:,} bytes"
        quality = f", {row['psnr']:.2f} dB" if row.get("psnr") is not None else ""
        return Done(f"{shown}, {about.bpp:.4f} bpp{quality}", row)

    def _encode(self, picture: Picture, target: Path) -> float:
        ready = self.ready()
        started = time.perf_counter()
        data = ready.encode(picture, **self.knobs("encoder"))
        seconds = time.perf_counter() - started
        with atomic_write(target) as file:
            file.write(data)
        self._keep_used()
        return round(seconds, 3)

    def _keep_used(self) -> None:
        """Have the weights store hold what the recipe names as a file, but for weights of parts, which nobody finds."""
        from codectk.pipeline.load import keep_used

        path, codec = self.graph.at_weights, self.graph.codec
        if path is None or not path.is_file():
            return
        if path.suffix == ".ctkb":
            kept = keep_used(str(path))
        else:
            kept = keep_used(codec.name, path) if codec is not None else ""
        if kept:
            click.echo(f"codectk: note: {kept}", err=True)

    def _decode(self, source: Path, target: Path) -> float:
        from codectk.bitstream.reader import read
        from codectk.picture.write import write_picture

        container = read(read_bytes(source, MAX_FILE_BYTES))
        ready = self.ready()
        started = time.perf_counter()
        picture = ready.decode_picture(container, **self.knobs("decoder"))
        seconds = time.perf_counter() - started
        write_picture(target, picture)
        return round(seconds, 3)

    def report(self, folder: Path) -> None:
        """Write what was found out; nothing without any result."""
        from codectk import __version__
        from codectk.cli.run_report import as_markdown, summary

        if not self.rows:
            return
        made = summary(self.graph, self.loaded, self.device, self.steps, self.rows, __version__)
        for name, text in ((REPORT, to_json(made) + "\n"), (PAGE, as_markdown(made))):
            with atomic_write(folder / name) as file:
                file.write(text.encode())


def _measure(original: Any, picture: Any) -> Mapping[str, float | None]:
    """PSNR and, where the picture is large enough, MS-SSIM."""
    from codectk.metrics.ms_ssim import MS_SSIM_MIN_SIDE, ms_ssim
    from codectk.metrics.psnr import psnr

    large = min(original.shape[:2]) >= MS_SSIM_MIN_SIDE
    return {
        "psnr": round(psnr(original, picture), 4),
        "ms_ssim": round(ms_ssim(original, picture), 6) if large else None,
    }


def _expanded(sources: tuple[str, ...], steps: tuple[str | None, ...]) -> list[str]:
    """Files as given, and those in folders: coded ones to decode, else pictures."""
    if steps != ("decode",):
        from codectk.eval.pictures import expand

        return [str(path) for path in expand(map(Path, sources))]
    found: list[str] = []
    for source in map(Path, sources):
        inside = sorted(source.glob(f"*{CODED}")) if source.is_dir() else [source]
        if not inside:
            raise OutputError(f"The folder {source} has no {CODED} file.")
        found += map(str, inside)
    return found


def _list_components(as_json: bool) -> int:
    from dataclasses import asdict

    from codectk.graph.catalog import all_components
    from codectk.graph.recipe import SLOTS

    order = (*SLOTS, "adapter", "discriminator", "lesson", "loss", "metric")
    found = sorted(all_components(), key=lambda pair: (order.index(pair[0].kind), pair[0].id))
    if as_json:
        print_json([{**asdict(card), "distribution": r.distribution if r else "codectk"} for card, r in found])
        return 0
    print_rows(
        ("kind", "component", "from", "what it is"),
        [(card.kind, card.id, r.distribution if r else "codectk", card.summary) for card, r in found],
    )
    return 0
