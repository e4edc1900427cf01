"""A COCO-panoptic folder in miniature."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SKY, PERSON = 3 + 256 * 2 + 65536, 70000
"""Segment ids; the first uses all three color channels."""


def write_ids(path: Path, ids: np.ndarray) -> None:
    """Write segment ids as the annotation PNGs store them."""
    colors = np.stack((ids % 256, ids // 256 % 256, ids // 65536), -1).astype(np.uint8)
    Image.fromarray(colors).save(path)


@pytest.fixture(scope="session")
def unpacked_panoptic(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The 200 annotated COCO photos, where they are at hand."""
    pack = Path(__file__).resolve().parents[4] / "shared" / "data" / "coco-panoptic.tar"
    if not pack.is_file():
        pytest.skip("needs ../shared/data/coco-panoptic.tar")
    folder = tmp_path_factory.mktemp("pack")
    with tarfile.open(pack) as tar:
        tar.extractall(folder, filter="data")
    return folder / "coco-panoptic"


@pytest.fixture
def panoptic(tmp_path: Path) -> Path:
    """Ten pictures of 48x40: sky above, a person below, one void corner."""
    folder = tmp_path / "coco"
    for part in ("tiny", "panoptic_tiny"):
        (folder / part).mkdir(parents=True)
    ids = np.full((40, 48), SKY)
    ids[24:] = PERSON
    ids[:4, :4] = 0
    pixels = np.where(ids[..., None] == PERSON, (200, 40, 40), (90, 150, 250)).astype(np.uint8)
    segments = [{"id": SKY, "category_id": 187}, {"id": PERSON, "category_id": 1}]
    annotations = []
    for number in range(10):
        Image.fromarray(pixels).save(folder / "tiny" / f"{number:03}.jpg", quality=95)
        write_ids(folder / "panoptic_tiny" / f"{number:03}.png", ids)
        annotations.append({"file_name": f"{number:03}.png", "segments_info": segments})
    names = [{"id": 187, "name": "sky-other-merged"}, {"id": 1, "name": "person"}]
    (folder / "panoptic_tiny.json").write_text(json.dumps({"annotations": annotations, "categories": names}))
    return folder
