"""Annotations become label maps, or a sentence why not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codectk.base.errors import InputError
from codectk_labels.groups import group_table
from codectk_labels.panoptic import find_panoptic, group_map, read_segments


def test_ids_in_three_channels_become_groups(panoptic: Path) -> None:
    rows = find_panoptic(panoptic)
    assert [picture.name for picture, _, _ in rows] == [f"{number:03}.jpg" for number in range(10)]
    _, png, segments = rows[0]
    labels = group_map(png, segments)
    assert labels.shape == (40, 48) and labels.dtype == np.uint8
    assert labels[0, 0] == 0 and labels[0, 4] == 1 and labels[24, 0] == 10


def test_a_segment_without_annotation_is_refused(panoptic: Path) -> None:
    _, png, segments = find_panoptic(panoptic)[0]
    one = dict(list(segments.items())[:1])
    with pytest.raises(InputError, match="segment 70000"):
        group_map(png, one)


def test_a_category_of_another_name_is_refused(panoptic: Path) -> None:
    path = panoptic / "panoptic_tiny.json"
    data = json.loads(path.read_text())
    data["categories"][0]["name"] = "ceiling"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match="category 187"):
        read_segments(path)


@pytest.mark.parametrize("text", ["[]", "{}", "not json", '{"annotations": [{"file_name": "a.png"}]}'])
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "panoptic_x.json"
    path.write_text(text)
    with pytest.raises(InputError, match="not a COCO-panoptic"):
        read_segments(path)


def test_missing_files_are_named(panoptic: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file panoptic_"):
        find_panoptic(tmp_path / "tiny")
    (panoptic / "panoptic_tiny" / "004.png").unlink()
    with pytest.raises(InputError, match=r"004\.png, which is missing"):
        find_panoptic(panoptic)


def test_agrees_with_the_semantic_pngs_of_the_pack(unpacked_panoptic: Path) -> None:
    for picture, png, segments in find_panoptic(unpacked_panoptic)[::40]:
        semantic = unpacked_panoptic / f"semantic_{picture.parent.name}" / png.name
        with Image.open(semantic) as categories:
            assert np.array_equal(group_map(png, segments), group_table()[np.asarray(categories)])
