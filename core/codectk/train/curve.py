"""The curve of a training run: loss, rate, PSNR and the discriminator's loss against steps."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codectk.base.atomic import atomic_write
from codectk.base.errors import UsageError
from codectk.train.log import PREFIX, Record, read_log

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANELS = (
    ("loss", "loss", "#d1382c", "loss {:.4g}"),
    ("bpp", "bits per pixel", "#1f6fd0", "{:.3f} bpp"),
    ("psnr", "PSNR (dB)", "#148f5c", "PSNR {:.2f} dB"),
    ("d_loss", "discriminator's loss", "#8a4bc4", "D {:.4g}"),
)
"""Key in the log, label, color, and how the title says it."""
_INK, _SOFT, _GRID = "#1b1f27", "#5d6675", "#e3e6eb"

SMOOTHING = 1 / 30
"""Half-width of the smoothing window, as a share of the log."""


def plot_log(log: Path, path: Path) -> None:
    """Draw a training log as PNG, a panel for each thing logged: records as a faint line, a running mean as a bold one,
    what was measured on pictures kept out as points.

    Args:
        log: JSON-lines file of `log.Log`.
        path: where to.

    Raises:
        InputError: the log is missing or damaged.
        UsageError: matplotlib is not installed.
        OutputError: the picture cannot be written.
    """
    logged = read_log(log)
    panels = [panel for panel in PANELS if any(panel[0] in r for r in logged)] or PANELS[:1]
    records = [r for r in logged if all(panel[0] in r for panel in panels)]
    rated = [r for r in logged if any(key.startswith(PREFIX) for key in r)]
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("Plotting needs matplotlib; install it with: pip install 'codectk[eval]'.") from error
    # The object interface with its own canvas: no global state, no display.
    figure = Figure(figsize=(8.4, 0.5 + 2.5 * len(panels)), facecolor="white", layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(panels), 1, sharex=True, squeeze=False)[:, 0]
    for panel, (key, label, color, _) in zip(axes, panels, strict=True):
        _panel(panel, records, key, label, color)
        if values := [(r["step"], r[PREFIX + key]) for r in rated if PREFIX + key in r]:
            panel.plot(
                *zip(*values, strict=True), color=_INK, linewidth=1.2, marker="o", markersize=3.5, label="kept out"
            )
            panel.legend(loc="best", frameon=False, fontsize=8, labelcolor=_SOFT)
    axes[-1].set_xlabel("step", color=_SOFT)
    figure.suptitle(_title(records, panels), x=0.012, ha="left", fontsize=11, fontweight="bold", color=_INK)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    with atomic_write(path) as file:
        file.write(buffer.getvalue())


def smooth(values: NDArray[np.float64], half: int) -> NDArray[np.float64]:
    """Running mean over 2 half + 1 values, fewer at the ends (still symmetric, so a slope stays a slope)."""
    total = np.concatenate([[0.0], np.cumsum(values)])
    at = np.arange(values.size)
    reach = np.minimum(np.minimum(at, values.size - 1 - at), half)
    mean: NDArray[np.float64] = (total[at + reach + 1] - total[at - reach]) / (2 * reach + 1)
    return mean


def _panel(axes: Axes, records: Sequence[Record], key: str, label: str, color: str) -> None:
    steps = [r["step"] for r in records]
    values = [r[key] for r in records]
    axes.plot(steps, values, color=color, linewidth=0.8, alpha=0.35)
    logarithmic = key == "loss" and len(values) > 1 and min(values) > 0
    shown = np.log(values) if logarithmic else np.asarray(values)
    mean = smooth(shown, round(len(values) * SMOOTHING))
    axes.plot(steps, np.exp(mean) if logarithmic else mean, color=color, linewidth=2.0)
    if logarithmic:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_ylabel(label, color=_SOFT)
    axes.grid(True, color=_GRID, linewidth=0.9)
    axes.set_axisbelow(True)
    axes.margins(x=0.01)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color("#b4bbc6")
    axes.tick_params(which="both", colors=_SOFT, length=0, pad=5)


def _title(records: Sequence[Record], panels: Sequence[tuple[str, str, str, str]]) -> str:
    if not records:
        return "nothing logged yet"
    last = records[-1]
    return f"step {last['step']:,}: " + ", ".join(said.format(last[key]) for key, _, _, said in panels)
