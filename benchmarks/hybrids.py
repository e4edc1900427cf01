"""Trained hybrids beside their parents on the same pictures: tables and strips of pictures.

    python -m benchmarks hybrids --pictures KODAK --bundles FOLDER --out docs/hybrids

measures every hybrid whose bundle is in the folder (h1.ctkb, ...; recipes/ says how each is made) and its parent,
unless OUT.json has it with these weights. It writes OUT.json, the tables between the marks in OUT.md, and OUT-NAME.jpg
with crops of decoded pictures. Every file is really written, read and decoded.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.common import options, save
from benchmarks.hybrids_pictures import STRIPS, draw
from benchmarks.hybrids_streams import stream_bytes
from benchmarks.hybrids_tables import TABLES, table
from codectk.base.atomic import atomic_write
from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import read
from codectk.eval.codecs import CtkCodec, ctk_codec
from codectk.eval.pictures import Source, describe, expand, read_source
from codectk.eval.report import Evaluation
from codectk.eval.study import Plan, study
from codectk.metrics import catalog

FORMAT = "codectk-hybrids/1"
PARENTS: Mapping[str, Mapping[str, float]] = {"segpic": {}, "egic": {"realism": 1.0}}
"""Installed codecs, with values of knobs."""


@dataclass(frozen=True)
class Kind:
    """A way to measure.

    Attributes:
        qualities: values of the rate knob.
        metrics: beside PSNR and MS-SSIM.
        grid: values of decoder-side knobs; a codec without them is decoded once.
    """

    qualities: Sequence[float]
    metrics: Sequence[str]
    grid: Mapping[str, Sequence[str]] = field(default_factory=dict)


KINDS = {
    "decoder": Kind((10, 25, 50), ("lpips", "kid", "fid"), {"realism": ("0", "0.5", "1")}),
    "rate": Kind((0, 25, 50, 75, 100), ("lpips",)),
}


def measure(
    kind: Kind, codec: CtkCodec, sources: Sequence[Source], metrics: Sequence[catalog.AnyMetric], folder: Path
) -> dict[str, Any]:
    """All about one codec."""
    grid = {knob: values for knob, values in kind.grid.items() if knob in codec.loaded().card.knobs}
    done = study(
        Plan([codec], kind.qualities, grid, metrics=metrics),
        sources,
        folder,
        progress=lambda *_, **about: print(*about.values(), flush=True),
    )
    return {
        "identity": dict(codec.identity()),
        "curves": {
            curve.name: [
                {"setting": p.setting, "bpp": p.bpp, "psnr": p.psnr, "ms_ssim": p.ms_ssim}
                | {_short(label): value for label, value in p.scores.items()}
                | _spread(done, curve.name, p.setting)
                for p in curve.points
            ]
            for curve in done.curves()
        },
        "rows": [[m.codec, m.image, m.setting, m.bytes, m.bpp, round(m.psnr, 5)] for m in done.measurements],
        "streams": stream_bytes(codec, folder, sources, kind.qualities),
    }


def _short(label: str) -> str:
    """ "KID/256 (Inception-v3, ...)" as kid."""
    return re.split(r"[/ ]", label)[0].lower()


def _spread(done: Evaluation, codec: str, setting: str) -> dict[str, float]:
    over = done.set_scores.get((codec, setting), {})
    return {f"{_short(label)}_std": score.std for label, score in over.items() if score.std is not None}


def same_latents(folder: Path, codec: str, parent: str) -> dict[str, float]:
    """Compare the files of two codecs: how many there are, and how many bytes more the first's have in the mean.

    Raises:
        SystemExit: the latents of a pair differ.
    """
    more = []
    for theirs in sorted((folder / parent).glob("*.ctk")):
        ours = folder / codec / theirs.name
        if read(ours.read_bytes()).payloads(LATENTS) != read(theirs.read_bytes()).payloads(LATENTS):
            raise SystemExit(f"{ours} and {theirs} should have the same latents, but differ")
        more.append(ours.stat().st_size - theirs.stat().st_size)
    return {"files": len(more), "bytes_more": sum(more) / len(more)}


def write(path: Path, text: str) -> None:
    with atomic_write(path) as file:
        file.write(text.encode())


def arguments(parser: argparse.ArgumentParser) -> None:
    options(
        parser,
        "--pictures",
        "--out",
        "--keep",
        "--lpips-weights",
        out={"help": "results without extension"},
        keep={"default": Path("hybrids")},
    )
    parser.add_argument("--bundles", type=Path, required=True, help="folder of .ctkb files")
    parser.add_argument("--count", type=int, default=0, help="take only the first pictures, for a try")


def main(a: argparse.Namespace) -> None:
    sources = [read_source(path) for path in expand([a.pictures])[: a.count or None]]
    known = describe(sources)
    data, page = a.out.with_suffix(".json"), a.out.with_suffix(".md")
    results: dict[str, Any] = json.loads(data.read_text(encoding="utf-8")) if data.exists() else {}
    if results.get("pictures", {}).get("digest") != known.digest:
        pictures = {"known": known.known, "count": len(sources), "digest": known.digest}
        results = {"format": FORMAT, "pictures": pictures, **{name: {} for name in KINDS}, "same_bytes": {}}
    metrics: dict[str, list[catalog.AnyMetric]] = {}
    for plan in TABLES.values():
        kind, folder, mine = KINDS[plan.kind], a.keep / plan.kind, results[plan.kind]
        folder.mkdir(parents=True, exist_ok=True)
        stems = [stem for stem in plan.hybrids if (a.bundles / f"{stem}.ctkb").is_file()]
        for name in [plan.parent, *stems] if stems else []:
            at = name if name in PARENTS else str(a.bundles / f"{name}.ctkb")
            codec = ctk_codec(at, "cpu", PARENTS.get(name, {}))
            if mine.get(name, {}).get("identity") != codec.identity():
                if plan.kind not in metrics:
                    metrics[plan.kind] = catalog.build(kind.metrics, "cpu", {"lpips": a.lpips_weights})
                mine[name] = measure(kind, codec, sources, metrics[plan.kind], folder)
                save(data, results)
            if plan.same_bytes and name != plan.parent:
                results["same_bytes"][name] = same_latents(folder, name, plan.parent)
    save(data, results)
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    for name in TABLES:
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
        before, _, rest = text.partition(start)
        text = before + start + table(name, results) + end + rest.partition(end)[2]
    write(page, text)
    for name in STRIPS:
        draw(name, a.pictures, a.keep, Path(f"{a.out}-{name}.jpg"))
