"""Table I of Bordin and Maugey 2023 as a protocol: six scores of originals, of SGC, and of classic codecs.

    python -m benchmarks sgc_table1 --kept-out OUTDOOR --kodak KODAK --keep KEPT --out docs/sgc-table1
    pip install 'codectk-sgc[table1]'  # for all but the label BCE; their weights must be on this machine

The paper: landscapes of 512x512, its input row DBCNN 62.2, MUSIQ 67.5, HyperIQA 0.58, CLIP-IQA 0.56; SGC 49.8, 60.6,
0.54, 0.47, label BCE 0.40, CLIP cosine 0.80 at 0.0209 bpp; VVC at QP 55 19.8, 24.2, 0.23, 0.32, 0.93, 0.62 at 0.0229
(DBCNN times 100). Its pictures and its segmenter are not public: numbers here stand beside each other, not beside
those. What cannot be measured is named with what it lacks.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from dataclasses import asdict

import numpy as np

from benchmarks.common import options, save
from benchmarks.sgc_painting import Painter, load_codec
from benchmarks.sgc_pictures import outdoors
from codectk.base.errors import UsageError, WeightsError
from codectk.eval.classical import REFERENCES
from codectk.eval.classical import decode as decode_classic
from codectk.metrics.catalog import build
from codectk.spec.metrics import AnyMetric, label
from codectk.train.bar import Bar
from codectk_sgc.plugin import TABLE1

CLASSIC = ("avif", "webp")


def there(device: str) -> tuple[list[AnyMetric], dict[str, str]]:
    """The metrics that this machine can compute, and by component id why it cannot compute the others."""
    found: list[AnyMetric] = []
    lacking: dict[str, str] = {}
    for name in TABLE1:
        try:
            found += build([name], device)
        except (UsageError, WeightsError) as error:
            lacking[name] = str(error)
    return found, lacking


def arguments(parser: argparse.ArgumentParser) -> None:
    options(parser, "--kept-out", "--kodak", "--codec", "--keep", "--steps", "-n", "--out")
    parser.add_argument("--device", default="cpu", help="of the metrics")


def main(a: argparse.Namespace) -> None:
    metrics, lacking = there(a.device)
    for reason in lacking.values():
        print(reason)
    shots, painter = outdoors(a.kept_out, a.kodak)[: a.n], Painter(load_codec(a.codec), a.keep)
    setting = painter.setting(a.steps)
    scores: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with Bar() as bar:
        bar.begin("judging", len(shots))
        for number, shot in enumerate(shots, 1):
            coded = painter.coded(shot)
            seen = [("input", shot.pixels, 0), ("SGC", painter.painted(coded, setting), len(coded.data))]
            for name in CLASSIC:
                data = REFERENCES[name].encode(shot.pixels, 0)
                seen.append((f"{REFERENCES[name].title}, smallest", decode_classic(data), len(data)))
            for row, pixels, size in seen:
                scores[row]["bpp"].append(8 * size / shot.count)
                for metric in metrics:
                    value = metric(shot.pixels, pixels)  # type: ignore[arg-type]
                    scores[row][label(metric)].append(value)  # type: ignore[arg-type]
            bar.show(number)
    rows = [{"row": row, **{k: round(float(np.mean(v)), 4) for k, v in found.items()}} for row, found in scores.items()]
    report = {
        "pictures": [shot.name for shot in shots],
        "weights": painter.ready.stages.weights_hash,
        "setting": asdict(setting),
        "metrics": {label(m): {"protocol": m.protocol, "lower_is_better": m.lower_is_better} for m in metrics},
        "lacking": lacking,
        "rows": rows,
    }
    save(
        f"{a.out}.json",
        report,
        [shot.pixels for shot in shots],
        more=("codectk-sgc", "codectk-labels", "pyiqa", "open_clip_torch"),
    )
    for line in rows:
        print(line)
