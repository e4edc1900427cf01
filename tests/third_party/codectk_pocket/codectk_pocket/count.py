"""How counts.json was made: python -m codectk_pocket.count FOLDER OUT.json

Runs the coding program over the pictures of a folder at several qualities with a coder that counts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from codectk.base.types import Context
from codectk.coding.tables import Tables
from codectk_pocket.entropy import BANDS, LEVELS, REACH, ContextModel
from codectk_pocket.transform import BlockAnalysis

QUALITIES = (10, 25, 40, 50, 60, 75, 90)


class Counter:
    """A symbol coder that counts how often each magnitude meets each table."""

    def __init__(self) -> None:
        self.counts = np.zeros((BANDS * LEVELS, REACH + 2), np.int64)

    def code(self, index: Any, symbols: Any | None, tables: Any) -> Any:
        magnitude = np.minimum(np.abs(symbols), REACH + 1)
        np.add.at(self.counts, (index, magnitude), 1)
        return symbols

    def raw(self, value: int | None, bits: int) -> int:
        assert value is not None
        return value


def rows(counts: np.ndarray) -> list[list[int]]:
    """Counts (tables, REACH + 2) as short lists: scaled to 16 bits, cut where nothing was seen, escape last."""
    result = []
    for row in counts:
        scaled = -(-row * 65535 // max(int(row.sum()), 1))
        seen = int(np.flatnonzero(row[: REACH + 1]).max(initial=0))
        result.append([*map(int, scaled[: seen + 1]), max(int(scaled[REACH + 1]), 1)])
    return result


def main() -> None:
    folder, out = map(Path, sys.argv[1:3])
    uniform = Tables.from_counts([np.ones(2, np.int64)] * (BANDS * LEVELS), np.zeros(BANDS * LEVELS, np.int64))
    analysis, model, counter = BlockAnalysis(), ContextModel(uniform), Counter()
    for path in sorted(folder.iterdir()):
        pixels = np.asarray(Image.open(path).convert("RGB"), np.float32) / 255
        height, width = (side // 16 * 16 for side in pixels.shape[:2])
        prepared = analysis.prepare(pixels[:height, :width], None, Context(height, width))
        for quality in QUALITIES:
            ctx = Context(height, width, {"quality": quality})
            model.code(counter, analysis.finish(prepared, ctx), ctx)
    text = ",\n ".join(json.dumps(row, separators=(",", ":")) for row in rows(counter.counts))
    out.write_text(f"[{text}]\n", "ascii")


if __name__ == "__main__":
    main()
