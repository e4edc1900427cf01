"""For hybrids.py: which hybrid stands beside which parent, and the tables."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from codectk.eval.bdrate import bd_rate_interval, compare
from codectk.eval.curves import Curve, Point, Row, mean_curves

Results = Mapping[str, Any]
"""The JSON of hybrids.py."""


@dataclass(frozen=True)
class Beside:
    """One table.

    Attributes:
        kind: how its codecs were measured.
        parent: codec the hybrids are compared with.
        hybrids: stems of their bundles, and what the table calls them.
        same_bytes: the latents of every file must be the parent's.
        streams: add what each stream takes.
    """

    kind: str
    parent: str
    hybrids: Mapping[str, str]
    same_bytes: bool = False
    streams: bool = False


TABLES = {
    "decoder": Beside("decoder", "segpic", {"h1": "H1", "h1-lpips": "H1 without OASIS-C", "h2": "H2"}, same_bytes=True),
    "labels": Beside("rate", "segpic", {"h4": "H4"}, streams=True),
    "swap-segpic": Beside("rate", "segpic", {"h9-segpic": "H9"}),
    "swap-egic": Beside("rate", "egic", {"h9-egic": "H9"}),
    "three": Beside("rate", "segpic", {"three-plugins": "three plugins"}),
}
STREAMS = {
    "regions": "labels",
    "raw": "grid",
    "p_mid": "prototypes, middle",
    "p_deep": "prototypes, deep",
    "z": "z",
    "y": "y",
    "file": "header",
}
"""Priors as tables call them; the header is all that is no symbol."""
COLUMNS = {
    "bpp": ("bpp", "{:.4f}"),
    "psnr": ("PSNR", "{:.2f}"),
    "lpips": ("LPIPS", "{:.4f}"),
    "kid": ("KID", "{:.4f}"),
    "fid": ("FID", "{:.1f}"),
}


def table(name: str, results: Results) -> str:
    """All that is known for one table, as markdown; empty if that is nothing."""
    plan = TABLES[name]
    found = {stem: results[plan.kind][stem] for stem in (plan.parent, *plan.hybrids) if stem in results[plan.kind]}
    if len(found) < 2:
        return ""
    text = _points(plan, found)
    for stem in plan.hybrids if plan.same_bytes else ():
        if same := results["same_bytes"].get(stem):
            text += (
                f"\n{_title(plan, stem)}: the latents of all {same['files']} files are the parent's, byte for byte; a "
                f"file is {same['bytes_more']:.1f} bytes longer, for its header names the bundle.\n"
            )
    if not plan.same_bytes:
        text += "\n" + _bd_rates(plan, found)
    if plan.streams:
        text += "\n" + _streams(plan, found)
    return text


def _points(plan: Beside, found: Results) -> str:
    curves = {name: points for one in found.values() for name, points in one["curves"].items()}
    some = next(iter(curves.values()))
    columns = [key for key in COLUMNS if key in some[0]]
    lines = [_line(["quality", "codec", *(COLUMNS[key][0] for key in columns)]), "|---" * (len(columns) + 2) + "|"]
    for i, first in enumerate(some):
        for j, (codec, points) in enumerate(curves.items()):
            cells = [COLUMNS[key][1].format(points[i][key]) for key in columns]
            if "kid" in columns:
                cells[columns.index("kid")] += f" ± {points[i]['kid_std']:.4f}"
            lines.append(_line(["" if j else first["setting"][1:], _title(plan, codec), *cells]))
    return "\n".join(lines) + "\n"


def _bd_rates(plan: Beside, found: Results) -> str:
    """Each hybrid against the parent, which comes first."""
    anchor, *others = (_curve(one) for one in found.values())
    lines = [_line(["bits at equal PSNR of", "against", "BD-rate", "95 % over pictures", "dB"]), "|---" * 5 + "|"]
    for test in others:
        rate, interval = compare(anchor, test), bd_rate_interval(anchor.rows, test.rows)
        spread = f"{interval.low:+.1f} to {interval.high:+.1f}"
        names = [_title(plan, test.name), _title(plan, anchor.name)]
        lines.append(_line([*names, f"**{rate.pchip:+.1f} %**", spread, f"{rate.low:.1f} to {rate.high:.1f}"]))
    return "\n".join(lines) + "\n"


def _curve(one: Results) -> Curve:
    rows = [
        Row(codec, setting, image, size, Point(bpp, psnr, None, setting))
        for codec, image, setting, size, bpp, psnr in one["rows"]
    ]
    return mean_curves(rows)[0]


def _streams(plan: Beside, found: Results) -> str:
    """Mean bytes of each stream."""
    streams = {name: one["streams"] for name, one in found.items()}
    seen = {label for codec in streams.values() for some in codec.values() for label in some}
    labels = [label for label in STREAMS if label in seen]
    lines = [
        _line(["quality", "mean bytes of", *(STREAMS[label] for label in labels), "file"]),
        "|---" * (len(labels) + 3) + "|",
    ]
    for setting in next(iter(streams.values())):
        for j, (codec, by_setting) in enumerate(streams.items()):
            mine = by_setting[setting]
            cells = [f"{mine[label]:,.1f}" if label in mine else "" for label in labels]
            head = "" if j else setting[1:]
            lines.append(_line([head, _title(plan, codec), *cells, f"{sum(mine.values()):,.1f}"]))
    return "\n".join(lines) + "\n"


def _title(plan: Beside, codec: str) -> str:
    """What a table calls a curve, such as "H2 realism 0.5" of "h2 realism 0.5"."""
    stem, _, rest = codec.partition(" ")
    named = {"segpic": "SegPIC", "egic": "EGIC", **plan.hybrids}
    return f"{named.get(stem, stem)} {rest}".strip()


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"
