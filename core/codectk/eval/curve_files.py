"""Anchor curves from files: what measured rate-distortion is compared with.

Read are
- JSON of mean curves, `{"NAME": [{"setting", "n", "bpp", "psnr", "ms_ssim"}, ...], ...}`;
- JSON of published curves, `{"curves": {"NAME": {"points": [{"bpp", "psnr", "ms_ssim"}, ...]}, ...}}`;
- the JSON that `codectk eval --json` writes;
- CSV per picture with at least the columns codec, setting, image, bpp, psnr_rgb and ms_ssim, such as
  `codectk eval --csv` writes; means are then taken over exactly the pictures that were evaluated.

Other metrics are found by their label, such as "LPIPS (Alex v0.1)": in the mapping "scores" of a point, or as a column.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from codectk.base.errors import InputError, UsageError
from codectk.eval.curves import Curve, Point, Row, mean_curves
from codectk.eval.report import CSV_COLUMNS

_CSV_COLUMNS = ("codec", "setting", "image", "bpp", "psnr_rgb", "ms_ssim")


@dataclass(frozen=True)
class AnchorSpec:
    """What `--anchors FILE[:LINE[=LABEL][,LINE...]]` asks for.

    Attributes:
        path: the file.
        lines: wanted curves as (name, label or ""); empty for all of the file.
    """

    path: Path
    lines: tuple[tuple[str, str], ...] = ()


def parse_spec(text: str) -> AnchorSpec:
    """Split an anchor argument at the first colon that follows the name of a file.

    File names and labels may hold colons of their own.

    Raises:
        UsageError: no such file, or an empty line name.
    """
    if Path(text).is_file():
        return AnchorSpec(Path(text))
    cuts = [i for i, letter in enumerate(text) if letter == ":" and Path(text[:i]).is_file()]
    if not cuts:
        raise UsageError(f"There is no anchor file {text}.")
    file, rest = text[: cuts[0]], text[cuts[0] + 1 :]
    lines = []
    for item in rest.split(","):
        name, _, label = item.partition("=")
        if not name:
            raise UsageError(f"The anchor {text} names an empty line.")
        lines.append((name, label))
    return AnchorSpec(Path(file), tuple(lines))


def load(spec: AnchorSpec, images: Sequence[str] | None = None) -> list[Curve]:
    """The curves an anchor argument asks for, labelled.

    Args:
        spec: file and wanted lines.
        images: stems of the evaluated pictures; a per-picture CSV is averaged over these where it has them all,
            else over all of its own.

    Raises:
        InputError: the file cannot be read or is of no known form.
        UsageError: the file has no such line.
    """
    curves = {curve.name: curve for curve in load_curves(spec.path, images)}
    if not spec.lines:
        return list(curves.values())
    chosen = []
    for name, label in spec.lines:
        if name not in curves:
            raise UsageError(f"{spec.path.name} has no line {name!r}; it has: {', '.join(curves)}.")
        chosen.append(replace(curves[name], label=label))
    return chosen


def load_curves(path: Path, images: Sequence[str] | None = None) -> list[Curve]:
    """All curves of a file; see `load`.

    Raises:
        InputError: the file cannot be read or is of no known form.
    """
    try:
        if path.suffix.lower() == ".csv":
            rows = load_rows(path)
            # Not every codec of a table need have every picture: fall back one codec at a time.
            same = {c.name: c for c in mean_curves(rows, images)} if images else {}
            curves = [same.get(c.name, c) for c in mean_curves(rows)]
        else:
            curves = _from_json(json.loads(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} cannot be read as anchor curves: {error}.") from error
    if not curves:
        raise InputError(f"{path} holds no anchor curve.")
    return curves


def load_rows(path: Path) -> list[Row]:
    """The lines of a per-picture CSV.

    Raises:
        OSError, ValueError: unreadable, a column is missing or a value is no number.
    """
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        missing = [c for c in _CSV_COLUMNS if c not in (reader.fieldnames or ())]
        if missing:
            raise ValueError(f"column {missing[0]} is missing")
        return [
            Row(
                codec=line["codec"],
                setting=line["setting"],
                image=line["image"],
                bytes=int(line.get("bytes") or 0),
                point=Point(
                    _rate(line["bpp"]),
                    _number(line["psnr_rgb"]),
                    _number(line["ms_ssim"]),
                    line["setting"],
                    _scores({k: line[k] for k in reader.fieldnames or () if k not in CSV_COLUMNS}),
                ),
            )
            for line in reader
        ]


def _from_json(data: Mapping[str, object]) -> list[Curve]:
    inner = data.get("curves", data)
    if not isinstance(inner, Mapping):
        raise ValueError("no mapping from names to curves")
    curves = []
    for name, body in inner.items():
        points = body["points"] if isinstance(body, Mapping) else body
        if not isinstance(points, list) or not points:
            continue
        # A file may mix settings measured on all pictures with costly ones measured on a few: only the former.
        most = max(p.get("n") or 0 for p in points)
        kept = tuple(_point(p) for p in points if (p.get("n") or 0) == most)
        curves.append(Curve(str(name), kept, pictures=most or None))
    return curves


def _point(entry: Mapping[str, object]) -> Point:
    return Point(
        bpp=_rate(entry["bpp"]),
        psnr=_number(entry.get("psnr")),
        ms_ssim=_number(entry.get("ms_ssim")),
        setting=str(entry.get("setting", "")),
        scores=_scores(entry.get("scores", {})),
    )


def _scores(values: object) -> dict[str, float]:
    """Those values that are numbers; a table may have columns of any kind."""
    found = {}
    for label, value in values.items() if isinstance(values, Mapping) else ():
        try:
            number = _number(value)
        except ValueError:
            continue
        if number is not None:
            found[str(label)] = number
    return found


def _rate(value: object) -> float:
    rate = float(str(value))
    if not (math.isfinite(rate) and rate > 0):
        raise ValueError(f"{value} is not a positive rate")
    return rate


def _number(value: object) -> float | None:
    """A finite float; None for what is absent, empty or not finite."""
    if value is None or value == "":
        return None
    number = float(str(value))
    return number if math.isfinite(number) else None
