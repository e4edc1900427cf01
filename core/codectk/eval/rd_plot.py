"""Rate-distortion plots as PNG and SVG."""

from __future__ import annotations

import io
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from codectk.base.atomic import atomic_write
from codectk.base.errors import OutputError, UsageError
from codectk.eval.bdrate import rising
from codectk.eval.curves import METRICS, Curve

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INK, _SOFT, _GRID = "#1b1f27", "#5d6675", "#e3e6eb"
_OWN = ("#d1382c", "#1f6fd0", "#148f5c", "#8a3fb8", "#d98200", "#00838f", "#c2186b", "#5d4037")
"""Colors of the measured codecs."""
_ANCHORS = ("#4a5568", "#b7791f", "#2b8a9e", "#7a6bb0", "#6d8b3c", "#a0527a", "#8d6e63", "#90a0b3")
_DASHES = ("-", (0, (5, 1.6)), (0, (2.2, 1.4)), (0, (6, 1.6, 1.4, 1.6)))
_AXIS_LABELS = {"psnr": "PSNR, RGB (dB)", "ms_ssim": "MS-SSIM, RGB (dB: −10 log₁₀(1 − x))"}


def rd_plot(
    own: Sequence[Curve],
    anchors: Sequence[Curve],
    path: Path,
    *,
    metrics: Sequence[str] = METRICS,
    falling: Collection[str] = (),
    title: str = "",
    log_bpp: bool = False,
) -> tuple[Path, Path]:
    """Draw curves, one panel per metric, and write PNG and SVG.

    The measured codecs are bold with markers and set the range of the axes; anchors are thin and may leave it.
    Each legend lists curves in the order in which they lie. More than three panels make two rows.

    Args:
        own: measured codecs, at least one.
        anchors: what they are compared with, at most 24.
        path: OUT.png or OUT.svg; both are written.
        metrics: panels from left to right, "psnr", "ms_ssim" or labels of further metrics; one that no measured codec
            has is left out.
        falling: labels of those of which lower values are better.
        title: one line above.
        log_bpp: logarithmic rate axis.

    Returns:
        Paths of the PNG and the SVG.

    Raises:
        UsageError: nothing to draw, or too many anchors to tell apart.
        OutputError: another extension, or the files cannot be written.
    """
    files_of(path)
    shown = [m for m in metrics if any(len(c.values(m)[0]) for c in own)]
    if not shown:
        raise UsageError("There is no measured point to plot.")
    if len(anchors) > len(_ANCHORS) * 3:
        raise UsageError(f"{len(anchors)} anchor lines cannot be told apart in a plot; name some with FILE:LINE,LINE.")
    # The object interface with its own canvas: no global state, no display.
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with rc_context({"font.family": "DejaVu Sans", "font.size": 9.5, "svg.hashsalt": "codectk"}):
        rows = 1 if len(shown) <= 3 else 2
        columns = -(-len(shown) // rows)
        figure = Figure(figsize=(6.3 * columns + 0.2, 4.9 * rows), facecolor="white", layout="constrained")
        FigureCanvasAgg(figure)
        if title:
            figure.suptitle(title, x=0.012, ha="left", fontsize=12, fontweight="bold", color=_INK)
        grid = figure.subplots(rows, columns, squeeze=False).ravel()
        for metric, axes in zip(shown, grid, strict=False):
            _panel(axes, own, anchors, metric, metric in falling, log_bpp)
        for axes in grid[len(shown) :]:
            axes.set_axis_off()
        files = files_of(path)
        for file in files:
            buffer = io.BytesIO()
            # No date in the SVG: the same numbers give the same file.
            dateless: dict[str, Any] = {"metadata": {"Date": None}} if file.suffix == ".svg" else {}
            figure.savefig(buffer, format=file.suffix[1:], dpi=160, **dateless)
            with atomic_write(file) as target:
                target.write(buffer.getvalue())
    return files


def files_of(path: Path) -> tuple[Path, Path]:
    """The files of a plot, PNG and SVG.

    Raises:
        OutputError: `path` has another extension.
    """
    if path.suffix.lower() not in (".png", ".svg"):
        raise OutputError(f"A plot is written as .png and .svg, not as {path.name}.")
    return path.with_suffix(".png"), path.with_suffix(".svg")


def _panel(axes: Axes, own: Sequence[Curve], anchors: Sequence[Curve], metric: str, falls: bool, log_bpp: bool) -> None:
    _frame(axes, own, metric, falls, log_bpp)
    for i, curve in enumerate(anchors):
        bpp, db = _smooth(curve, metric)
        if len(bpp):
            axes.plot(
                bpp, db, color=_ANCHORS[i % len(_ANCHORS)], linestyle=_DASHES[(i + i // len(_ANCHORS)) % len(_DASHES)],
                linewidth=1.5, label=curve.title, zorder=3,
            )  # fmt: skip
    for i, curve in enumerate(own):
        bpp, db = _smooth(curve, metric)
        if len(bpp):
            color = _OWN[i % len(_OWN)]
            axes.plot(bpp, db, color=color, linewidth=2.6, zorder=5)
            axes.plot(
                *curve.values(metric), color=color, linestyle="none", marker="o", markersize=6.2,
                markeredgecolor="white", markeredgewidth=1.1, zorder=6,
            )  # fmt: skip
            # For the legend: line and marker in one.
            axes.plot([], [], color=color, linewidth=2.6, marker="o", markersize=6.2, label=curve.title)
    _legend(axes, [*own, *anchors], metric, falls)


def _smooth(curve: Curve, metric: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The line a BD-rate integrates, PCHIP of log rate over quality; straight where points are too few for one.

    Metrics without BD-rate need not rise or fall with the rate: for them the quality over the log rate.
    """
    from scipy.interpolate import PchipInterpolator

    bpp, db = curve.values(metric)
    if metric not in METRICS:
        bpp, first = np.unique(bpp, return_index=True)
        if len(bpp) < 3:
            return bpp, db[first]
        fine = np.unique(np.concatenate([bpp, np.geomspace(bpp[0], bpp[-1], 200)]))
        return fine, PchipInterpolator(np.log(bpp), db[first])(np.log(fine))
    kept_bpp, kept_db = rising(bpp, db)
    if len(kept_bpp) < 3:
        return bpp, db
    fine = np.unique(np.concatenate([kept_db, np.linspace(kept_db[0], kept_db[-1], 200)]))
    return np.exp(PchipInterpolator(kept_db, np.log(kept_bpp))(fine)), fine


def _frame(axes: Axes, own: Sequence[Curve], metric: str, falls: bool, log_bpp: bool) -> None:
    """Range, scale, grid and labels."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    values = [c.values(metric) for c in own]
    bpp, db = np.concatenate([v[0] for v in values]), np.concatenate([v[1] for v in values])
    if log_bpp:
        axes.set_xscale("log")
        axes.set_xlim(float(bpp.min()) * 0.85, float(bpp.max()) * 1.18)
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
    else:
        axes.set_xlim(0, float(bpp.max()) * 1.08)
    low, high = float(db.min()), float(db.max())
    height = max(high - low, 1.0 if metric in METRICS else 0.1 * max(abs(low), abs(high)), 1e-9)
    # Room on the worse side for anchors that need more bits, and a little on the better one.
    worse, better = 0.22 * height, 0.1 * height
    axes.set_ylim(low - (better if falls else worse), high + (worse if falls else better))
    axes.grid(True, color=_GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#b4bbc6")
    axes.tick_params(which="both", colors=_SOFT, length=0, pad=5)
    axes.set_xlabel("bits per pixel of the whole file", color=_SOFT)
    label = f"{metric}, {'lower' if falls else 'higher'} is better"
    axes.set_ylabel(_AXIS_LABELS.get(metric, label), color=_SOFT)


def _legend(axes: Axes, curves: Sequence[Curve], metric: str, falls: bool) -> None:
    """Entries from top to bottom as they lie where most curves can be compared: at the middle of the rate axis."""
    low, high = axes.get_xlim()
    middle = np.sqrt(low * high) if axes.get_xscale() == "log" else (low + high) / 2
    place: dict[str, float] = {}
    for curve in curves:
        bpp, db = curve.values(metric)
        if len(bpp):
            place[curve.title] = float(np.interp(middle, bpp, db))
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda i: -place[labels[i]])
    axes.legend(
        [handles[i] for i in order], [labels[i] for i in order],
        loc="upper right" if falls else "lower right", frameon=True, framealpha=0.92,
        edgecolor="none", labelcolor=_INK, handlelength=2.6, borderpad=0.7, labelspacing=0.45,
        ncols=2 if len(order) > 12 else 1,
    )  # fmt: skip
