"""Training pictures and the draws from them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from codectk.base.errors import InputError, UsageError
from codectk.train import draws
from codectk.train.data import Crops, list_pictures
from codectk.train.draws import Purpose


def crops(path: Path, **changes: object) -> Crops:
    return Crops([path], **{"crop": 64, "min_side": 64, "scale_min": 0.7, "seed": 3, **changes})  # type: ignore[arg-type]


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    """Ten kinds of files: what is usable, and what is not."""
    ramp = np.add.outer(np.arange(80), np.arange(90)).astype(np.uint8)
    rgb = np.stack([ramp, 255 - ramp, ramp // 2], -1)
    Image.fromarray(rgb).save(tmp_path / "b.png")
    (tmp_path / "deep").mkdir()
    Image.fromarray(ramp).save(tmp_path / "deep" / "grey.PNG")
    Image.fromarray(rgb).convert("P").save(tmp_path / "a.png")
    Image.fromarray(rgb[:63]).save(tmp_path / "small.jpg")
    Image.fromarray(rgb).save(tmp_path / ".hidden.png")
    (tmp_path / "damaged.jpg").write_bytes((tmp_path / "small.jpg").read_bytes()[:200])
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_listing(mixed: Path):
    names = [path.name for path in list_pictures([mixed])]
    assert names == ["a.png", "b.png", "damaged.jpg", "grey.PNG", "small.jpg"]
    assert list_pictures([mixed / "b.png", mixed / "deep"]) == [mixed / "b.png", mixed / "deep" / "grey.PNG"]


def test_pictures_are_rgb_and_what_is_left_out_is_counted(mixed: Path):
    seen: list[tuple[int, int]] = []
    made = crops(mixed, report=lambda done, total: seen.append((done, total)))
    assert [p.shape for p in made.pictures] == [(80, 90, 3)] * 3
    assert made.small == 1
    assert len(made.refused) == 1 and "damaged.jpg" in made.refused[0]
    assert seen == [(n, 5) for n in range(1, 6)]
    with pytest.raises(InputError, match=r"No training picture can be read and has 200 pixels.*damaged\.jpg"):
        crops(mixed, min_side=200)


def test_folders_have_their_shares_of_the_crops(tmp_path: Path):
    for folder, count in (("photos", 1), ("drawn", 6), ("other", 2)):
        (tmp_path / folder).mkdir()
        for number in range(count):
            Image.new("RGB", (64, 64), (number, 0, 0)).save(tmp_path / folder / f"{number}.png")
    made = crops(tmp_path, shares={"drawn": 0.1})
    drawn = [made.files[made.cut(step, 0).index].parent.name for step in range(2000)]
    assert drawn.count("drawn") / 2000 == pytest.approx(0.1, abs=0.02)
    assert drawn.count("other") / drawn.count("photos") == pytest.approx(2, rel=0.15)
    with pytest.raises(InputError, match="lies below a folder 'sketches'"):
        crops(tmp_path, shares={"sketches": 0.1})
    with pytest.raises(InputError, match="lies outside the folders"):
        crops(tmp_path / "drawn", shares={"drawn": 0.1})
    with pytest.raises(UsageError, match=r"leave something of 1"):
        crops(tmp_path, shares={"drawn": 0.7, "other": 0.3})


def test_paths_that_hold_nothing(tmp_path: Path):
    with pytest.raises(InputError, match=r"There is no training data at .*nowhere"):
        crops(tmp_path / "nowhere")
    with pytest.raises(InputError, match="hold no pictures"):
        crops(tmp_path)


def test_the_digest_tells_pictures_apart(pictures: Path, mixed: Path):
    assert crops(pictures).digest == crops(pictures, crop=32, seed=5).digest != crops(mixed).digest


def test_a_draw_depends_on_its_numbers_alone(pictures: Path):
    one, other = crops(pictures), crops(pictures)
    for step in range(5):
        one.draw(step, 0)
    for step, sample in ((7, 2), (0, 0), (1000, 3)):
        a, b = one.draw(step, sample), other.draw(step, sample)
        assert a.shape == (64, 64, 3) and a.dtype == np.uint8 and a.flags.c_contiguous
        np.testing.assert_array_equal(a, b)
    differing = {crops(pictures, seed=seed).draw(step, sample).tobytes() for seed in (1, 2) for step in (1, 2) for sample in (1, 2)}  # fmt: skip  # noqa: E501
    assert len(differing) == 8


def test_crops_are_cut_from_the_pictures(tmp_path: Path):
    """Without reduction every crop is a window of the picture, flipped or transposed."""
    picture = np.random.default_rng(0).integers(0, 256, (70, 68, 3)).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "a.png")
    made = crops(tmp_path, scale_min=1.0)
    windows = {}
    for top in range(7):
        for left in range(5):
            window = picture[top : top + 64, left : left + 64]
            for flipped in (0, 1):
                for transposed in (0, 1):
                    view = window[:, ::-1] if flipped else window
                    view = view.transpose(1, 0, 2) if transposed else view
                    windows[view.tobytes()] = top, left, flipped, transposed
    drawn = [windows[made.draw(step, 0).tobytes()] for step in range(300)]
    for part, values in enumerate((range(7), range(5), range(2), range(2))):
        assert {place[part] for place in drawn} == set(values)


def test_pictures_no_larger_than_the_crop_are_used_whole(tmp_path: Path):
    Image.new("RGB", (64, 64), (9, 8, 7)).save(tmp_path / "a.png")
    assert (crops(tmp_path, scale_min=0.5).draw(0, 0) == (9, 8, 7)).all()


def test_streams_of_random_numbers_are_apart():
    words = [(1, 2, 3, p) for p in Purpose] + [(1, 3, 2, Purpose.CROP), (2, 2, 3, Purpose.CROP)]
    assert len({draws.numbers(*w).random() for w in words}) == len(words)
    noises = [torch.rand(4, generator=draws.noise(1, 2, sample)).tolist() for sample in range(3)]
    assert noises[0] != noises[1] != noises[2]
    draws.seed_shared(1, 2)
    shared = torch.rand(4).tolist()
    assert shared not in noises
    draws.seed_shared(1, 2)
    assert torch.rand(4).tolist() == shared


def test_every_step_sees_the_whole_rate_axis():
    for step in range(20):
        qualities = [draws.quality(1, step, sample, 8) for sample in range(8)]
        assert [int(q // 12.5) for q in qualities] == list(range(8))
    assert len({draws.quality(1, step, 0, 8) for step in range(20)}) == 20
