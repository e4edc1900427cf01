"""Tables and plots of SGC's measurements.

    python -m benchmarks sgc_report docs

reads sgc-quality.json, sgc-ablations.json, sgc-times.json and sgc-table1.json of a folder, as far as they are there,
puts their tables between the marks of its sgc-quality.md, and draws sgc-quality.png and sgc-ablations.png.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.sgc_scores import BETTER
from codectk.base.atomic import atomic_write
from codectk.eval.bdrate import difference_interval

TITLES = {
    "agreement": "labels", "agreement_cityscapes": "labels, Cityscapes", "color_error": "color error",
    "lpips": "LPIPS", "psnr": "PSNR",
}  # fmt: skip
"""Scores in tables, in this order."""

DIGITS = {"color_error": 4, "psnr": 2}
SETS = ("FID/256", "KID/256")
COLORS = {"SGC": "#d1382c", "AVIF": "#1f6fd0", "HEIC": "#148f5c", "WebP": "#8a8f99", "JPEG": "#d98200"}

Row = Mapping[str, Any]


def quality(found: Row) -> str:
    """Means by row, and how far SGC is from each other row."""
    rows = found["results"]
    lines = _head("", "bytes", "largest", "bpp", *(TITLES[k] for k in _scores(rows)), *SETS)
    for row in rows:
        mean = row["mean"]
        sizes = (f"{mean['bytes']:.0f}", f"{row['largest']}", f"{mean['bpp']:.4f}") if "bytes" in mean else ("",) * 3
        values = [_value(key, mean[key]) for key in _scores(rows)]
        lines.append(_line(row["row"], *sizes, *values, *(_of_set(row, name) for name in SETS)))
    chance = ", ".join(f"{TITLES[key]} {value:.3f}" for key, value in found["chance"].items())
    lines += ["", f"Between different originals, the next by name: {chance}."]
    lines += [
        f"Between the label map in SGC's file and the original: labels {found['file_labels']:.3f} (of cells).",
        "",
    ]
    others = [row for row in rows[1:] if row["row"] != "autoencoder alone"]
    lines += ["SGC's mean less the other's, with 95 % intervals (paired bootstrap over pictures):", ""]
    return "\n".join(lines + _differences(rows[0], others, reverse=True)) + "\n"


def ablations(found: Row) -> str:
    """What each change does, against the first row."""
    rows = found["results"]
    base = found["setting"]
    lines = [f"*all*: {base['steps']} steps, strength {base['strength']:g}, guidance {base['guidance']:g}, seed 0.", ""]
    lines += _head("painted with", *(TITLES[k] for k in _scores(rows)), "KID/256")
    for row in rows:
        values = [_value(key, row["mean"][key]) for key in _scores(rows)]
        lines.append(_line(row["row"], *values, _of_set(row, "KID/256")))
    lines += ["", "The row's mean less that of the first, with 95 % intervals (paired bootstrap over pictures):", ""]
    return "\n".join(lines + _differences(rows[0], rows[1:])) + "\n"


def times(found: Row) -> str:
    """Seconds by number of threads."""
    threads = sorted({row["threads"] for row in found["results"]})
    lines = _head("512x512 pixels", *(f"{n} thread{'s' * (n > 1)}" for n in threads))
    for what in dict.fromkeys(row["what"] for row in found["results"]):
        seconds = {row["threads"]: row["seconds"] for row in found["results"] if row["what"] == what}
        lines.append(_line(what, *(f"{seconds[n]:.1f} s" for n in threads)))
    return "\n".join([*lines, "", f"Processor: {found['machine']['processor']}."]) + "\n"


def table1(found: Row) -> str:
    """The paper's table, as far as it can be measured, and what the rest lacks."""
    names = list(found["metrics"])
    lines = _head("", "bpp", *names)
    for row in found["rows"]:
        size = f"{row['bpp']:.4f}" if row["bpp"] else ""
        lines.append(_line(row["row"], size, *(f"{row[name]:.4f}" for name in names)))
    lines.append("")
    lines += [f"- `{name}` was not measured: {reason}" for name, reason in found["lacking"].items()]
    return "\n".join(lines) + "\n"


PARTS = {"quality": quality, "ablations": ablations, "times": times, "table1": table1}


def filled(text: str, part: str, body: str) -> str:
    """A page with the lines between the marks of a part replaced.

    Raises:
        SystemExit: the page has no such marks.
    """
    first, last = f"<!-- {part} -->\n", f"<!-- end of {part} -->\n"
    if first not in text or last not in text:
        raise SystemExit(f"The page has no place for the {part}: it lacks {first.strip()} or {last.strip()}.")
    return text[: text.index(first) + len(first)] + "\n" + body + "\n" + text[text.index(last) :]


def _differences(first: Row, others: Sequence[Row], reverse: bool = False) -> list[str]:
    scores = [key for key in _scores([first]) if key != "psnr"]
    lines = _head("", *(f"{TITLES[k]}, {BETTER[k]} is better" for k in scores))
    for row in others:
        cells = []
        for key in scores:
            pair = (row["each"][key], first["each"][key])
            one, other = pair if reverse else pair[::-1]
            span = difference_interval(one, other)
            middle = sum(other) / len(other) - sum(one) / len(one)
            digits = DIGITS.get(key, 3)
            cells.append(f"{middle:+.{digits}f} ({span.low:+.{digits}f} to {span.high:+.{digits}f})")
        lines.append(_line(row["row"], *cells))
    return lines


def _scores(rows: Sequence[Row]) -> list[str]:
    return [key for key in TITLES if all(key in row["mean"] for row in rows)]


def _of_set(row: Row, name: str) -> str:
    found = next((value for key, value in row.items() if key.startswith(name)), None)
    if found is None:
        return ""
    return f"{found['value']:.1f}" if "std" not in found else f"{found['value']:.3f} ± {found['std']:.3f}"


def _value(key: str, value: float) -> str:
    return f"{value:.{DIGITS.get(key, 3)}f}"


def _head(*cells: str) -> list[str]:
    return [_line(*cells), "|---" * len(cells) + "|"]


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def plot_quality(found: Row, path: Path) -> None:
    """Every picture's bytes and scores, by codec."""
    shown = [key for key in ("agreement", "lpips", "color_error") if key in found["results"][0]["each"]]
    figure, axes = _figure(len(shown))
    for row in found["results"]:
        color = next((c for name, c in COLORS.items() if row["row"].startswith(name)), None)
        if color is None or "bytes" not in row["each"]:
            continue
        for axis, key in zip(axes, shown, strict=True):
            axis.scatter(row["each"]["bytes"], row["each"][key], s=9, color=color, alpha=0.45, linewidths=0)
            axis.scatter(
                row["mean"]["bytes"], row["mean"][key], s=60, color=color, edgecolors="white", label=row["row"]
            )
    for axis, key in zip(axes, shown, strict=True):
        axis.set(xscale="log", xlabel="bytes of the file", ylabel=f"{TITLES[key]}, {BETTER[key]} is better")
    axes[0].legend(frameon=False, fontsize=8)
    _save(figure, path)


def plot_ablations(found: Row, path: Path) -> None:
    """Scores by where the diffusion starts; lines of what each map is worth."""
    rows = {row["row"]: row for row in found["results"]}
    strengths = {float(name.split()[1]): row for name, row in rows.items() if name.startswith("strength ")}
    strengths[found["setting"]["strength"]] = rows["all"]
    shown = [key for key in ("agreement", "color_error", "lpips") if key in rows["all"]["mean"]]
    figure, axes = _figure(len(shown))
    for axis, key in zip(axes, shown, strict=True):
        points = sorted((strength, row["mean"][key]) for strength, row in strengths.items())
        axis.plot(*zip(*points, strict=True), "o-", color="#d1382c", label="both maps")
        for name, color in (("labels off", "#1f6fd0"), ("colors off", "#148f5c"), ("both off", "#8a8f99")):
            axis.axhline(rows[name]["mean"][key], color=color, linestyle="--", linewidth=1.2, label=name)
        axis.set(xlabel="strength: where the diffusion starts", ylabel=f"{TITLES[key]}, {BETTER[key]} is better")
    axes[0].legend(frameon=False, fontsize=8)
    _save(figure, path)


def _figure(panels: int) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.4 * panels, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for axis in axes:
        axis.grid(True, which="both", color="#e3e6eb")
        axis.set_axisbelow(True)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)
    return figure, axes


def _save(figure: Any, path: Path) -> None:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    with atomic_write(path) as out:
        out.write(buffer.getvalue())


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("folder", type=Path)


def main(a: argparse.Namespace) -> None:
    folder = a.folder
    page = folder / "sgc-quality.md"
    text = page.read_text(encoding="utf-8")
    for part, made in PARTS.items():
        file = folder / f"sgc-{part}.json"
        if not file.exists():
            print(f"{file} is not there; its part of the page stays as it is.")
            continue
        found = json.loads(file.read_text(encoding="utf-8"))
        text = filled(text, part, made(found))
        if part == "quality":
            plot_quality(found, folder / "sgc-quality.png")
        if part == "ablations":
            plot_ablations(found, folder / "sgc-ablations.png")
    with atomic_write(page) as out:
        out.write(text.encode())
