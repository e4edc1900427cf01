"""Label maps: found by name, cropped like their pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codectk.base.errors import InputError
from codectk.train.data import Crops, Cut, LabelMaps


def save(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(exist_ok=True, parents=True)
    Image.fromarray(pixels.astype(np.uint8)).save(path)
    return path


def load(folder: Path, scale_min: float = 1.0) -> tuple[Crops, LabelMaps]:
    crops = Crops([folder / "pictures"], 64, 64, scale_min, 3)
    return crops, LabelMaps(folder / "labels", crops)


@pytest.fixture
def grey(tmp_path: Path) -> Path:
    """Pictures that show their labels, ten grey levels apart: blocks of 20 pixels with values 0 to 13."""
    for name, size in (("a", (140, 180)), ("b", (200, 120))):
        rng = np.random.default_rng(size[0])
        labels = rng.integers(0, 14, (size[0] // 20, size[1] // 20)).repeat(20, 0).repeat(20, 1)
        save(tmp_path / "labels" / "deep" / f"{name}.png", labels)
        save(tmp_path / "pictures" / f"{name}.png", np.stack([labels * 10] * 3, -1))
    return tmp_path


def test_labels_lie_where_the_picture_says(grey: Path):
    """Also flipped and transposed; label 0 comes out as 0."""
    crops, labels = load(grey)
    seen = set()
    for step in range(30):
        drawn = labels.draw(step, 1)
        assert drawn.shape == (64, 64) and drawn.dtype == np.uint8 and drawn.flags.c_contiguous
        np.testing.assert_array_equal(drawn * 10, crops.draw(step, 1)[..., 0])
        seen |= set(np.unique(drawn).tolist())
    assert seen == set(range(14))


def test_reduced_labels_are_labels_and_lie_where_the_picture_says(grey: Path):
    crops, labels = load(grey, scale_min=0.5)
    reduced = 0
    for step in range(30):
        drawn, picture = labels.draw(step, 0), crops.draw(step, 0)[..., 0] / 10
        reduced += crops.cut(step, 0).source > 64
        # At the blocks' edges the picture is a mixture.
        assert (np.abs(drawn - picture) < 0.35).mean() > 0.7
        flat = np.abs(drawn - picture)[2:-2, 2:-2]
        still = (drawn[2:-2, 2:-2] == drawn[:-4, 2:-2]) & (drawn[2:-2, 2:-2] == drawn[4:, 2:-2])
        still &= (drawn[2:-2, 2:-2] == drawn[2:-2, :-4]) & (drawn[2:-2, 2:-2] == drawn[2:-2, 4:])
        assert still.sum() > 500 and (flat[still] < 1.5).mean() > 0.99
    assert reduced > 15


def test_reduction_makes_no_labels_up(grey: Path):
    for path in (grey / "labels" / "deep").iterdir():
        save(path, 9 * (np.asarray(Image.open(path)) % 2))
    _, labels = load(grey, scale_min=0.5)
    assert {value for step in range(20) for value in np.unique(labels.draw(step, 0)).tolist()} == {0, 9}


def test_crops_are_where_they_have_always_been(pictures: Path):
    """The numbers of the first version, which knew no labels; an interrupted run of it goes on with them."""
    crops = Crops([pictures], 64, 64, 0.7, 3)
    assert [crops.cut(step, sample) for step, sample in ((0, 0), (7, 2), (1000, 3))] == [
        Cut(0, 3, 46, 83, 64, flip=False, transpose=True),
        Cut(2, 30, 56, 67, 64, flip=True, transpose=True),
        Cut(5, 26, 15, 71, 64, flip=False, transpose=False),
    ]


def test_pictures_without_a_map_are_void(grey: Path):
    (grey / "labels" / "deep" / "a.png").unlink()
    (grey / "labels" / ".hidden.png").write_bytes(b"")
    crops, labels = load(grey)
    assert labels.missing == 1
    void = [not labels.draw(step, 0).any() for step in range(20)]
    assert void == [crops.files[crops.cut(step, 0).index].stem == "a" for step in range(20)]
    assert len(set(void)) == 2


def test_other_maps_have_another_digest(grey: Path):
    before = load(grey)[1].digest
    assert load(grey)[1].digest == before != 0
    labels = np.asarray(Image.open(grey / "labels" / "deep" / "a.png")).copy()
    labels[3, 3] += 1
    save(grey / "labels" / "deep" / "a.png", labels)
    assert load(grey)[1].digest != before


def test_folders_that_do_not_fit(grey: Path):
    first = grey / "labels" / "deep" / "a.png"
    whole = first.read_bytes()
    save(first, np.zeros((180, 140)))
    with pytest.raises(InputError, match=r"a\.png has 140x180 pixels, but its picture has 180x140"):
        load(grey)
    Image.new("P", (180, 140)).save(first)
    with pytest.raises(InputError, match=r"a\.png has mode P; it must have mode L"):
        load(grey)
    first.write_bytes(whole[:60])
    with pytest.raises(InputError, match=r"a\.png cannot be read"):
        load(grey)
    first.write_bytes(whole)
    (grey / "labels" / "a.png").write_bytes(whole)
    with pytest.raises(InputError, match=r"labels/a\.png and .*deep/a\.png have the same name"):
        load(grey)
    (grey / "labels" / "a.png").unlink()
    save(grey / "pictures" / "a.jpg", np.zeros((140, 180, 3)))
    with pytest.raises(InputError, match=r"deep/a\.png could belong to .*a\.jpg and to .*a\.png"):
        load(grey)
    crops = Crops([grey / "pictures"], 64, 64, 1.0, 3)
    with pytest.raises(InputError, match="There is no folder of label maps at"):
        LabelMaps(grey / "nothing", crops)
    (grey / "empty").mkdir()
    with pytest.raises(InputError, match="holds no label maps"):
        LabelMaps(grey / "empty", crops)
