"""The published mapping covers COCO-panoptic exactly."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from codectk_labels.groups import GROUPS, NAMES, VOID, group_table, palette

SHARED = Path(__file__).resolve().parents[4] / "shared"
UNUSED_BELOW_91 = {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
"""Ids of COCO's original list that never became categories."""


def categories() -> dict[int, str]:
    return {number: name for group in GROUPS for number, name in group.categories.items()}


def test_every_category_is_in_exactly_one_group() -> None:
    ids = [number for group in GROUPS for number in group.categories]
    assert len(ids) == len(set(ids)) == 133


def test_ids_are_those_that_coco_uses() -> None:
    things = {number for number in categories() if number <= 90}
    assert things == set(range(1, 91)) - UNUSED_BELOW_91
    assert len(categories()) - len(things) == 53
    assert max(categories()) == 200


def test_names_follow_the_rank_order_of_the_published_list() -> None:
    spec = SHARED / "specs" / "spec-egic.md"
    if not spec.is_file():
        pytest.skip("needs ../shared/specs/spec-egic.md, which lists the 133 names by rank")
    line = next(line for line in spec.read_text().splitlines() if line.startswith("1 person, 2 bicycle"))
    ranked = {int(rank): name for rank, name in re.findall(r"(\d+) ([a-z][a-z -]*)", line)}
    mine = dict(enumerate((name for _, name in sorted(categories().items())), 1))
    assert mine == ranked


def test_names_and_ids_equal_the_annotation_files() -> None:
    pack = SHARED / "data" / "coco-panoptic.tar"
    if not pack.is_file():
        pytest.skip("needs ../shared/data/coco-panoptic.tar")
    with tarfile.open(pack) as tar:
        data = json.load(tar.extractfile("coco-panoptic/panoptic_val2017.json"))
    listed = {entry["id"]: entry["name"] for entry in data["categories"]}
    assert categories() == listed


def test_labels_are_numbered_from_one() -> None:
    assert [group.index for group in GROUPS] == list(range(1, 14))
    assert NAMES[VOID] == "void" and len(set(NAMES)) == len(NAMES) == 14


def test_table_sends_categories_to_their_groups_and_gaps_to_void() -> None:
    table = group_table()
    assert table.dtype == np.uint8
    named = {187: "sky", 155: "water", 192: "mountain", 184: "plant", 193: "grass", 159: "ground", 149: "road"}
    named |= {128: "building", 199: "indoor", 1: "person", 17: "animal", 3: "vehicle", 44: "object", 0: "void"}
    assert {number: NAMES[table[number]] for number in named} == named
    assert {number for number in range(201) if table[number] == VOID} == set(range(201)) - set(categories())


def test_colors_differ() -> None:
    assert palette().shape == (14, 3)
    assert len(np.unique(palette(), axis=0)) == 14
