"""An evaluation as data: one object, its JSON and its CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from codectk.base import plain
from codectk.eval.bdrate import BdRate, Interval
from codectk.eval.curves import Curve, EqualRate, Point, mean_curves
from codectk.eval.measure import Measurement
from codectk.eval.pictures import PictureSet
from codectk.eval.provenance import machine, versions
from codectk.eval.score import SetScores
from codectk.metrics.ms_ssim import ms_ssim_db

FORMAT = "codectk-eval/1"

PROTOCOL = {
    "bpp": "8 x bytes of the complete file / pixels; mean over pictures",
    "psnr": "10 log10(255^2 / MSE), one MSE over RGB, decoded 8-bit picture; mean over pictures of dB",
    "ms_ssim": "RGB, pytorch-msssim 1.x defaults, decoded 8-bit picture; mean over pictures",
    "bd_rate": "ln(bpp) over dB of the mean curves, full overlap; MS-SSIM as -10 log10(1 - MS-SSIM)",
    "estimated_bits": "-log2 p of the coded symbols, against payload bytes without the digest",
}
"""How the numbers were made, for readers of the JSON; further metrics add their own lines."""

CSV_COLUMNS = (
    "codec", "setting", "image", "bytes", "bpp", "psnr_rgb", "ms_ssim", "width", "height", "estimated_bits",
    "payload_bytes", "overhead_bytes", "encode_network_s", "encode_coder_s", "encode_file_s",
    "decode_network_s", "decode_coder_s", "decode_file_s",
)  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """A BD-rate, with its interval over pictures where both codecs were measured picture by picture."""

    bd_rate: BdRate
    interval: Interval | None = None


@dataclass(frozen=True)
class Scored:
    """A further metric of an evaluation.

    Attributes:
        label: its name and backbone.
        scope: "picture" or "set".
        lower_is_better: its direction.
        protocol: how it was made.
    """

    label: str
    scope: str
    lower_is_better: bool
    protocol: str


@dataclass(frozen=True)
class Evaluation:
    """All that an evaluation found.

    Attributes:
        pictures: what it was measured on.
        measurements: of all codecs, picture by picture.
        anchors: curves from files.
        comparisons: BD-rates.
        identities: what exactly each codec was.
        notes: sentences that a reader of the numbers must know.
        metrics: further metrics, in the order in which they are shown.
        set_scores: values of those that are over all pictures of a setting.
        equal_rates: metrics at common rates.
    """

    pictures: PictureSet
    measurements: Sequence[Measurement]
    anchors: Sequence[Curve] = ()
    comparisons: Sequence[Comparison] = ()
    identities: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    notes: Sequence[str] = ()
    metrics: Sequence[Scored] = ()
    set_scores: SetScores = field(default_factory=dict)
    equal_rates: Sequence[EqualRate] = ()

    def curves(self) -> list[Curve]:
        """Mean curves of the measured codecs."""
        curves = mean_curves(m.row() for m in self.measurements)
        return [replace(c, points=tuple(self._with_sets(c.name, p) for p in c.points)) for c in curves]

    def _with_sets(self, codec: str, point: Point) -> Point:
        over = self.set_scores.get((codec, point.setting), {})
        return replace(point, scores={**point.scores, **{label: found.value for label, found in over.items()}})


def to_json(evaluation: Evaluation, command: str, device: str) -> str:
    """The evaluation with all that is needed to repeat or to doubt it.

    Args:
        evaluation: the results.
        command: the command line.
        device: where networks ran.

    Returns:
        JSON text; its `curves` can serve as anchors of later evaluations.
    """
    # A bundle is of several.
    plugins = {name for i in evaluation.identities.values() for name in i.get("distribution", "").split()}
    data = {
        "format": FORMAT,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "versions": versions(*sorted(plugins)),
        "machine": machine(device),
        "protocol": {**PROTOCOL, **{m.label: m.protocol for m in evaluation.metrics}},
        "metrics": {m.label: {"scope": m.scope, "lower_is_better": m.lower_is_better} for m in evaluation.metrics},
        "pictures": asdict(evaluation.pictures),
        "codecs": {name: dict(identity) for name, identity in evaluation.identities.items()},
        "curves": {c.name: _curve(c, evaluation) for c in evaluation.curves()},
        "bd_rates": [_comparison(c) for c in evaluation.comparisons],
        "equal_rates": [asdict(e) for e in evaluation.equal_rates],
        "notes": list(evaluation.notes),
        "rows": [_row(m) for m in evaluation.measurements],
    }
    return plain.to_json(data, indent=1) + "\n"


def to_csv(measurements: Sequence[Measurement]) -> str:
    """One line per decoded file; the first seven columns are those of anchor tables.

    Metrics of one picture follow in columns named by their labels.
    """
    buffer = io.StringIO()
    labels = dict.fromkeys(label for m in measurements for label in m.scores)
    writer = csv.DictWriter(buffer, [*CSV_COLUMNS, *labels], lineterminator="\n")
    writer.writeheader()
    for m in measurements:
        row = _row(m)
        row["psnr_rgb"] = row.pop("psnr")
        for key in ("quality", "coded_by", "scores"):
            row.pop(key)
        for key, digits in (("bpp", 6), ("psnr_rgb", 5), ("ms_ssim", 6), ("estimated_bits", 1)):
            row[key] = "" if row[key] is None else f"{row[key]:.{digits}f}"
        row = {k: f"{v:.4f}" if k.endswith("_s") and v is not None else v for k, v in row.items()}
        writer.writerow(row | {label: "" if v is None else f"{v:.6f}" for label, v in m.scores.items()})
    return buffer.getvalue()


def _row(m: Measurement) -> dict[str, Any]:
    row: dict[str, Any] = {
        "codec": m.codec,
        "setting": m.setting,
        "image": m.image,
        "quality": m.quality,
        "width": m.width,
        "height": m.height,
        "bytes": m.bytes,
        "bpp": m.bpp,
        "psnr": m.psnr,
        "ms_ssim": m.ms_ssim,
        "estimated_bits": m.estimated_bits,
        "payload_bytes": m.payload_bytes,
        "overhead_bytes": m.overhead_bytes,
    }
    for direction, times in (("encode", m.encode), ("decode", m.decode)):
        row |= {f"{direction}_{part}_s": getattr(times, part) for part in ("network", "coder", "file")}
    return row | {"coded_by": m.coded_by or m.codec, "scores": dict(m.scores)}


def _curve(curve: Curve, evaluation: Evaluation) -> dict[str, Any]:
    points = []
    for point in curve.points:
        mine = [m for m in evaluation.measurements if m.codec == curve.name and m.setting == point.setting]
        over = evaluation.set_scores.get((curve.name, point.setting), {})
        points.append(
            {
                "setting": point.setting,
                "n": len(mine),
                "bpp": point.bpp,
                "psnr": point.psnr,
                "ms_ssim": point.ms_ssim,
                "ms_ssim_db": None if point.ms_ssim is None else ms_ssim_db(point.ms_ssim),
                "encode_s": sum(m.encode.total for m in mine) / len(mine),
                "decode_s": sum(m.decode.total for m in mine) / len(mine),
                "scores": dict(point.scores),
                "over_sets": {label: {"samples": s.samples, "std": s.std} for label, s in over.items()},
            }
        )
    return {"points": points}


def _comparison(comparison: Comparison) -> dict[str, Any]:
    interval = comparison.interval
    return asdict(comparison.bd_rate) | {"interval": None if interval is None else asdict(interval)}
