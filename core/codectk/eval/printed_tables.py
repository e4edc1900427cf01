"""Rich tables of an evaluation."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from statistics import median

from rich import box
from rich.table import Table

from codectk.eval.curves import EqualRate
from codectk.eval.measure import Measurement, Times
from codectk.eval.report import Comparison, Evaluation, Scored
from codectk.metrics.ms_ssim import ms_ssim_db


def means(evaluation: Evaluation, codec: str) -> Table:
    """Means over pictures, one line per quality of one codec."""
    count = len(evaluation.pictures.names)
    table = _table(
        f"{codec}: mean of {count} picture{'s' * (count != 1)}",
        "quality", "bpp", "PSNR dB", "MS-SSIM", "MS-SSIM dB", "real/estimated", "overhead B", "encode s", "decode s",
    )  # fmt: skip
    curve = next(c for c in evaluation.curves() if c.name == codec)
    for point in curve.points:
        mine = [m for m in evaluation.measurements if m.codec == codec and m.setting == point.setting]
        table.add_row(
            _bare(point.setting),
            f"{point.bpp:.4f}",
            _number(point.psnr, 2),
            _number(point.ms_ssim, 4),
            _number(None if point.ms_ssim is None else ms_ssim_db(point.ms_ssim), 2),
            _gap(mine),
            _number(_mean([m.overhead_bytes for m in mine]), 1),
            f"{median(m.encode.total for m in mine):.2f}",
            f"{median(m.decode.total for m in mine):.2f}",
        )
    return table


def pictures(measurements: Sequence[Measurement], codec: str) -> Table:
    """One line per file of one codec."""
    table = _table(
        f"{codec}: every file",
        "picture", "quality", "bytes", "bpp", "PSNR dB", "MS-SSIM", "real/estimated", "encode s", "decode s",
    )  # fmt: skip
    for m in measurements:
        if m.codec == codec:
            table.add_row(
                m.image,
                _bare(m.setting),
                f"{m.bytes}",
                f"{m.bpp:.4f}",
                _number(m.psnr, 2),
                _number(m.ms_ssim, 4),
                _gap([m]),
                f"{m.encode.total:.2f}",
                f"{m.decode.total:.2f}",
            )
    return table


def scores(evaluation: Evaluation, codec: str) -> Table:
    """Further metrics, one line per quality of one codec; deviations and samples where a metric has them."""
    table = _table(f"{codec}: {', '.join(_direction(m) for m in evaluation.metrics)}", "quality", "bpp", "PSNR dB")
    for metric in evaluation.metrics:
        table.add_column(metric.label.replace(" (", "\n("), justify="right", no_wrap=True)
    for point in next(c for c in evaluation.curves() if c.name == codec).points:
        over = evaluation.set_scores.get((codec, point.setting), {})
        cells = []
        for metric in evaluation.metrics:
            text, found = significant(point.scores.get(metric.label)), over.get(metric.label)
            if found is not None and found.std is not None:
                text += f" ± {significant(found.std)}"
            cells.append(text + ("" if found is None else f", n {found.samples}"))
        table.add_row(_bare(point.setting), f"{point.bpp:.4f}", _number(point.psnr, 2), *cells)
    return table


def equal_rates(found: EqualRate) -> Table:
    """One metric of every curve at common rates, between measured points."""
    name = "PSNR dB" if found.metric == "psnr" else found.metric
    table = _table(f"{name} at equal bpp", "codec")
    for rate in found.rates:
        table.add_column(f"{rate:.3f}", justify="right", no_wrap=True)
    for title, values in found.values.items():
        table.add_row(title, *(_number(v, 2) if found.metric == "psnr" else significant(v) for v in values))
    return table


def significant(value: float | None) -> str:
    """About four significant digits, or a dash."""
    if value is None:
        return "-"
    digits = next((d for limit, d in ((0.01, 5), (1, 4), (100, 2)) if abs(value) < limit), 1)
    return f"{value:.{digits}f}"


def bd_rates(comparisons: Sequence[Comparison]) -> Table:
    """BD-rates by both interpolations, each with the overlap it holds for."""
    table = _table(
        "BD-rate, mean curves, full overlap (negative: fewer bits)",
        "codec", "against", "metric", "PCHIP %", "Akima %", "overlap dB", "of both", "points", "95 % over pictures",
    )  # fmt: skip
    for comparison in comparisons:
        rate, interval = comparison.bd_rate, comparison.interval
        table.add_row(
            rate.test,
            rate.anchor,
            "PSNR" if rate.metric == "psnr" else "MS-SSIM",
            f"{rate.pchip:+.1f}",
            f"{rate.akima:+.1f}",
            f"{rate.low:.2f} to {rate.high:.2f}",
            f"{rate.share:.0%}",
            f"{rate.points}",
            "" if interval is None else f"{interval.low:+.1f} to {interval.high:+.1f}",
        )
    return table


def times(measurements: Sequence[Measurement], codec: str) -> Table | None:
    """Where the time goes, summed over all files of one codec; None for a codec that cannot be watched."""
    mine = [m for m in measurements if m.codec == codec]
    if any(m.decode.coder is None for m in mine):
        return None
    table = _table(f"{codec}: time", "", "median s", "network", "entropy coder", "file I/O")
    directions: tuple[tuple[str, Callable[[Measurement], Times]], ...] = (
        ("encode", lambda m: m.encode),
        ("decode", lambda m: m.decode),
    )
    for name, pick in directions:
        chosen = [pick(m) for m in mine]
        total = sum(t.total for t in chosen)
        parts = (
            sum(t.network for t in chosen),
            sum(t.coder or 0.0 for t in chosen),
            sum(t.file for t in chosen),
        )
        table.add_row(name, f"{median(t.total for t in chosen):.3f}", *(f"{p / total:.1%}" for p in parts))
    return table


def _bare(setting: str) -> str:
    """A quality without its letter; other settings as they are."""
    return re.sub(r"^q(?=[\d.]+$)", "", setting)


def _direction(metric: Scored) -> str:
    return f"{metric.label}, {'lower' if metric.lower_is_better else 'higher'} is better"


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, box=box.SIMPLE_HEAD, title_justify="left", title_style="bold", pad_edge=False)
    for i, column in enumerate(columns):
        table.add_column(column, justify="left" if i == 0 else "right", no_wrap=True)
    return table


def _number(value: float | None, digits: int) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _mean(values: Sequence[int | None]) -> float | None:
    present = [v for v in values if v is not None]
    return sum(present) / len(present) if present else None


def _gap(measurements: Sequence[Measurement]) -> str:
    """Payload bytes against estimated ones, as a signed percentage."""
    gaps = [m.gap_bytes for m in measurements]
    if not gaps or any(g is None for g in gaps):
        return "-"
    estimated = sum((m.estimated_bits or 0.0) / 8 for m in measurements)
    return "-" if estimated == 0 else f"{100 * sum(g or 0.0 for g in gaps) / estimated:+.2f} %"
