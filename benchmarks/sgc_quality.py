"""SGC on outdoor pictures that it was not trained on: what stays of them, what each map is worth, and what it costs.

    python -m benchmarks sgc_quality measure --kept-out OUTDOOR --kodak KODAK --lpips-weights LPIPS.safetensors \
        --cityscapes TEACHER.tflite --keep KEPT --out docs/sgc-quality
    python -m benchmarks sgc_quality ablate  (the same options) --out docs/sgc-ablations
    python -m benchmarks sgc_quality time --kept-out OUTDOOR --kodak KODAK --out docs/sgc-times
    python -m benchmarks sgc_report docs

`measure` takes every picture through whole files, beside AVIF, HEIC, WebP and JPEG at their smallest, and beside two
controls: the color map alone, enlarged, and the autoencoder without any diffusion. `ablate` paints some of the files in
other ways. All painted pictures go to KEPT, so that a run that was stopped goes on, and FID and KID come last.
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.common import options, save
from benchmarks.sgc_painting import Coded, Painter, Setting, enlarged_colors, load_codec
from benchmarks.sgc_pictures import Shot, outdoors
from benchmarks.sgc_scores import Scorer, file_agreement, mean
from codectk.base.types import Picture
from codectk.bitstream.reader import read
from codectk.eval.classical import REFERENCES
from codectk.eval.classical import decode as decode_classic
from codectk.metrics.catalog import build
from codectk.pipeline.codec import Codec
from codectk.pipeline.encode import Encoding
from codectk.spec.metrics import SetScore, label
from codectk.train.bar import Bar

ABLATION_STEPS = 20
"""Steps of ablations, unless steps are what is varied: a fifth of the time, and nearly the pictures of 50."""

TRIED = 8
"""Seeds from which the best is taken."""


class Table:
    """Pictures and their scores by row."""

    def __init__(self, score: Scorer, fid_weights: Path | None):
        self._score = score
        self._sets = build(["fid", "kid"], weights={"fid": fid_weights})
        self._rows: dict[str, list[dict[str, float]]] = defaultdict(list)
        self._pairs: dict[str, list[tuple[np.ndarray, np.ndarray]]] = defaultdict(list)

    def add(self, row: str, shot: Shot, pixels: np.ndarray, size: int | None) -> dict[str, float]:
        """Score a picture; `size` is of its file, None for a control that has none."""
        scores = self._score(shot.name, shot.pixels, pixels)
        if size is not None:
            scores = {"bytes": float(size), "bpp": 8 * size / shot.count, **scores}
        self._rows[row].append(scores)
        self._pairs[row].append((shot.pixels, pixels))
        return scores

    def results(self) -> list[dict[str, Any]]:
        """Means, scores of the whole set, and every picture's scores, by row."""
        made = []
        for row, scores in self._rows.items():
            found: dict[str, Any] = {"row": row, "mean": {k: round(v, 5) for k, v in mean(scores).items()}}
            if "bytes" in scores[0]:
                found["largest"] = max(int(one["bytes"]) for one in scores)
            for metric in self._sets:
                value = metric(self._pairs[row])  # type: ignore[arg-type]
                if isinstance(value, SetScore):
                    found[label(metric)] = {"value": round(value.value, 5), "samples": value.samples}
                    found[label(metric)] |= {} if value.std is None else {"std": round(value.std, 5)}
                    found[label(metric)] |= {"note": value.note} if value.note else {}
            found["each"] = {key: [round(one[key], 4) for one in scores] for key in scores[0]}
            made.append(found)
        return made


def measure(a: argparse.Namespace) -> None:
    shots, painter = outdoors(a.kept_out, a.kodak)[: a.n], Painter(load_codec(a.codec), a.keep)
    score, setting = Scorer(a.lpips_weights, a.cityscapes), painter.setting(a.steps)
    table = Table(score, a.fid_weights)
    told = []
    with Bar() as bar:
        bar.begin("painting", len(shots))
        for number, shot in enumerate(shots, 1):
            coded = painter.coded(shot)
            table.add("SGC", shot, painter.painted(coded, setting), len(coded.data))
            table.add("color map alone", shot, enlarged_colors(coded), None)
            table.add("autoencoder alone", shot, painter.rebuilt(shot), None)
            for reference in map(REFERENCES.__getitem__, ("jpeg", "webp", "avif", "heic")):
                data = reference.encode(shot.pixels, 0)
                table.add(f"{reference.title}, smallest", shot, decode_classic(data), len(data))
            told.append(file_agreement(coded.labels, score.labels("agreement", shot.name, shot.pixels)))
            bar.show(number)
    chance = score.by_chance([shot.name for shot in shots])
    known = {"chance": chance, "file_labels": float(np.mean(told))}
    write(a, painter.ready, shots, setting=asdict(setting), **known, results=table.results())


def variants(base: Setting) -> dict[str, Setting]:
    """Ablations by name; the first is what all others are compared with."""
    made = {"all": base}
    made["labels off"] = replace(base, labels=False)
    made["colors off"] = replace(base, colors=False)
    made["both off"] = replace(base, labels=False, colors=False)
    made |= {f"strength {s:g}": replace(base, strength=s) for s in (0.3, 0.5, 0.7, 1.0)}
    made |= {f"guidance {g:g}": replace(base, guidance=g) for g in (1.0, 2.0, 3.0, 4.0)}
    made |= {f"{n} steps": replace(base, steps=n) for n in (10, 20, 50, 100)}
    return {name: setting for name, setting in made.items() if name == "all" or setting != base}


def ablate(a: argparse.Namespace) -> None:
    shots, painter = some(outdoors(a.kept_out, a.kodak), a.n), Painter(load_codec(a.codec), a.keep)
    table = Table(Scorer(a.lpips_weights, a.cityscapes), a.fid_weights)
    base = painter.setting(ABLATION_STEPS)
    todo = variants(base)
    with Bar() as bar:
        bar.begin("painting", len(shots) * (len(todo) + TRIED * a.best))
        done = 0
        for shot in shots:
            coded = painter.coded(shot)
            for name, setting in todo.items():
                table.add(name, shot, painter.painted(coded, setting), len(coded.data))
                bar.show(done := done + 1)
            if a.best:
                done = best_of(painter, coded, table, bar, done)
    write(a, painter.ready, shots, setting=asdict(base), results=table.results())


def best_of(painter: Painter, coded: Coded, table: Table, bar: Bar, done: int) -> int:
    """The best of the first seeds by the encoder's own distance, as `codectk encode --best-of` finds it."""
    encoding = Encoding(painter.ready, Picture(coded.shot.pixels))
    painted = []
    for seed in range(TRIED):
        painted.append(painter.painted(coded, replace(painter.setting(ABLATION_STEPS), seed=seed)))
        bar.show(done := done + 1)
    distances = [encoding.distance(Picture(pixels)) for pixels in painted]
    for count in (1, 4, TRIED):
        best = int(np.argmin(distances[:count]))
        data = painter.ready.encode(Picture(coded.shot.pixels), seed=best) if best else coded.data
        scores = table.add(f"best of {count}", coded.shot, painted[best], len(data))
        scores["own_distance"] = distances[best]
    return done


def clock(a: argparse.Namespace) -> None:
    (shot,) = some(outdoors(a.kept_out, a.kodak), 1)
    ready = load_codec(a.codec)
    data = ready.encode(Picture(shot.pixels))
    rows = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        seconds = fastest(lambda: ready.encode(Picture(shot.pixels)), a.rounds)
        rows.append({"what": "encode", "threads": threads, "seconds": seconds})
        for steps in (10, 20, 50, 100):
            found = fastest(lambda steps=steps: ready.decode_picture(read(data), steps=steps), a.rounds)  # type: ignore[misc]
            rows.append({"what": f"decode, {steps} steps", "threads": threads, "seconds": found})
            print(rows[-1])
    write(a, ready, [shot], rounds=a.rounds, results=rows)


def fastest(run: Callable[[], object], rounds: int) -> float:
    """Least of the seconds of several rounds, after one that warms up."""
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return round(min(times[1:]), 3)


def some(shots: Sequence[Shot], count: int) -> list[Shot]:
    """Pictures spread evenly over their order by name, or all of them where they are fewer."""
    chosen = np.linspace(0, len(shots) - 1, min(count, len(shots))).round().astype(int)
    return [shots[number] for number in chosen]


def write(a: argparse.Namespace, ready: Codec, shots: Sequence[Shot], **found: object) -> None:
    """All results as JSON, with what they depend on."""
    report: Mapping[str, object] = {
        "pictures": [shot.name for shot in shots],
        "weights": ready.stages.weights_hash,
        **found,
    }
    save(f"{a.out}.json", report, [shot.pixels for shot in shots], more=("codectk-sgc", "diffusers", "timm"))
    for row in found["results"]:  # type: ignore[attr-defined]
        print({key: value for key, value in row.items() if key != "each"})


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True)
    for name, run, count in (("measure", measure, 1000), ("ablate", ablate, 12), ("time", clock, 1)):
        verb = verbs.add_parser(name)
        verb.set_defaults(run=run)
        options(verb, "--kept-out", "--kodak", "--codec", "--out")
        if run is clock:
            verb.add_argument("--rounds", type=int, default=3)
            continue
        options(verb, "-n", "--lpips-weights", "--fid-weights", "--keep", n={"default": count})
        verb.add_argument("--cityscapes", type=Path, help="DeepLab on MobileNet-EdgeTPU, 19 classes, as .tflite")
        if run is measure:
            options(verb, "--steps")
        else:
            verb.add_argument("--no-best", dest="best", action="store_false", help="do not try several seeds")


def main(a: argparse.Namespace) -> None:
    a.run(a)
