"""A codec of several plugins' parts is coded in tiles where all of them can be."""

from __future__ import annotations

import pytest

from codectk.graph import catalog


@pytest.mark.parametrize(
    ("parts", "tile"),
    [
        (["segpic.rat_analysis"], 1216),
        (["segpic.rat_analysis", "egic.swin_analysis"], 1024),
        (["segpic.rat_analysis", "sgc.semantic_analysis"], None),
    ],
)
def test_the_smallest_tile_counts(parts, tile):
    missing = [part for part in parts if catalog.find(part) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")
    assert catalog.merged_card("mine", "", [(part, "here") for part in parts]).tile == tile
