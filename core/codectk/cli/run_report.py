"""What `codectk run` found out, as JSON and as a page to read."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codectk.graph.recipe import Graph
    from codectk.pipeline.codec import Codec

_COLUMNS = (
    ("picture", "picture", "{}"),
    ("bytes", "bytes", "{:,.0f}"),
    ("bpp", "bpp", "{:.4f}"),
    ("psnr", "PSNR dB", "{:.2f}"),
    ("ms_ssim", "MS-SSIM", "{:.4f}"),
    ("encode_s", "encode s", "{:.2f}"),
    ("decode_s", "decode s", "{:.2f}"),
)


def summary(
    graph: Graph, ready: Codec | None, device: str, steps: Sequence[str], rows: Sequence[dict[str, Any]], version: str
) -> dict[str, Any]:
    """All there is to say about a run, as plain values.

    Args:
        graph: the recipe.
        ready: the codec, or None if no step needed it.
        device: where it ran.
        steps: what was done.
        rows: one mapping for each picture.
        version: of codectk.
    """
    columns: dict[str, list[Any]] = {key: [row.get(key) for row in rows] for key, _, _ in _COLUMNS[1:]}
    means = {key: round(fmean(values), 6) for key, values in columns.items() if values and None not in values}
    return {
        "title": graph.title,
        "recipe": graph.tables(),
        "weights_sha256": ready.stages.weights_hash if ready else "",
        "portable": ready.stages.portable if ready else None,
        "device": device,
        "codectk": version,
        "steps": list(steps),
        "pictures": list(rows),
        "mean": means,
    }


def as_markdown(report: dict[str, Any]) -> str:
    """The report as a page."""
    rows, mean = report["pictures"], report["mean"]
    columns = [column for column in _COLUMNS if any(row.get(column[0]) is not None for row in rows)]
    table = [[_cell(row.get(key), form) for key, _, form in columns] for row in rows]
    if len(rows) > 1:
        table.append(["mean", *(_cell(mean.get(key), form) for key, _, form in columns[1:])])
    parts = [
        f"- {kind.replace('_', ' ')}: {part['name']}"
        for kind, part in report["recipe"].items()
        if isinstance(part, dict) and "name" in part
    ]
    parts += [f"- adapter {name}: {part['name']}" for name, part in report["recipe"].get("adapters", {}).items()]
    knobs = ", ".join(f"{name} {value}" for name, value in report["recipe"].get("knobs", {}).items())
    weights = report["weights_sha256"][:8] or "none"
    return "\n".join(
        [
            f"# {report['title']}",
            "",
            *parts,
            f"- knobs: {knobs or 'as they are by default'}",
            f"- weights: {weights}; codectk {report['codectk']} on {report['device']}",
            "",
            f"| {' | '.join(title for _, title, _ in columns)} |",
            f"|{'---|' * len(columns)}",
            *(f"| {' | '.join(cells)} |" for cells in table),
            "",
        ]
    )


def _cell(value: Any, form: str) -> str:
    return "-" if value is None else form.format(value)
