"""Crops, losses, and a head that learns."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from codectk.base.errors import InputError, TrainingError, UsageError
from codectk.train.bar import Bar
from codectk.train.log import Window
from codectk.train.loop import loop
from codectk_labels import crops, train
from codectk_labels.crops import CROP, SCENES, draw_crop, draw_weights, load_labeled, load_scenes, shares
from codectk_labels.groups import NAMES
from codectk_labels.preset import load_segmenter
from codectk_labels.scores import Confusion
from codectk_labels.segmenter import Segmenter


def test_every_fifth_picture_is_kept_out(panoptic: Path) -> None:
    kept, test = load_labeled(panoptic)
    assert [entry.stem for entry in test] == ["004", "009"]
    assert len(kept) == 8 and not {entry.stem for entry in kept} & {"004", "009"}


def test_labels_move_with_their_pixels(panoptic: Path) -> None:
    entry = load_labeled(panoptic)[0][0]
    rng = np.random.default_rng(0)
    for _ in range(5):
        x, target = draw_crop(entry, rng)
        assert x.shape == (3, CROP, CROP) and target.shape == (13, CROP // 4, CROP // 4)
        # The picture is red where the person is; the sky is blue; beyond the picture nothing is known.
        red = torch.nn.functional.avg_pool2d((x[0] - x[2])[None], 4)[0]
        sky, person = target[NAMES.index("sky") - 1] == 1, target[NAMES.index("person") - 1] == 1
        assert person.any() and sky.any()
        assert red[person].median() > 0.1 and red[sky].median() < -0.1
        assert (target.sum(0) == 0).any()


def test_shares_of_a_cell() -> None:
    labels = np.zeros((4, 8), np.uint8)
    labels[:2, :4], labels[:, 4:] = 1, 13
    target = shares(labels)
    assert target.shape == (13, 1, 2)
    assert target[0, 0].tolist() == [0.5, 0.0] and target[12, 0].tolist() == [0.0, 1.0]
    assert float(target.sum()) == 1.5


def test_rare_groups_count_more(panoptic: Path) -> None:
    entries = load_labeled(panoptic)[0]
    draw, weight = draw_weights(entries)
    assert math.isclose(draw.sum(), 1) and len(draw) == len(entries)
    assert weight[NAMES.index("person") - 1] > weight[NAMES.index("sky") - 1]


def test_dense_loss_is_weighted_cross_entropy() -> None:
    logits, target = torch.zeros(1, 13, 1, 2), torch.zeros(1, 13, 1, 2)
    target[0, 3, 0, 0], target[0, 5, 0, 1] = 1, 0.5
    assert math.isclose(float(train.dense_loss(logits, target, torch.ones(13))), math.log(13), rel_tol=1e-5)
    logits[0, 3, 0, 0] = 100.0
    weight = torch.ones(13)
    weight[3] = 2
    assert math.isclose(float(train.dense_loss(logits, target, weight)), 0.5 * math.log(13) / 2.5, rel_tol=1e-5)


def test_dense_loss_of_coarse_logits_takes_mean_shares() -> None:
    logits, target = torch.randn(1, 13, 2, 3, generator=torch.Generator().manual_seed(0)), torch.zeros(1, 13, 4, 6)
    target[:, 3, :, :4], target[:, 5, :2, 4:], target[:, 5, 2, 4] = 1, 1, 1  # the rest is void
    pooled = torch.zeros(1, 13, 2, 3)
    pooled[:, 3, :, :2], pooled[:, 5, 0, 2], pooled[:, 5, 1, 2] = 1, 1, 0.25
    fine, coarse = (train.dense_loss(logits, given, torch.ones(13)) for given in (target, pooled))
    assert math.isclose(float(fine), float(coarse), rel_tol=1e-5)


def test_scene_loss_knows_the_allowed_and_the_required() -> None:
    allowed, required = torch.zeros(1, 13, dtype=torch.bool), torch.tensor([2])
    allowed[0, [0, 2]] = True
    right, forbidden, sky = (torch.full((1, 13, 4, 4), -20.0) for _ in range(3))
    right[:, 0], right[:, 0, 0], right[:, 2, 0] = 20, -20, 20  # sky, and mountain in a quarter of the cells
    forbidden[:, 8], sky[:, 0] = 20, 20
    assert float(train.scene_loss(right, allowed, required)) < 1e-3
    assert float(train.scene_loss(forbidden, allowed, required)) > 30
    assert float(train.scene_loss(sky, allowed, required)) > 10
    assert float(train.scene_loss(sky, allowed, torch.tensor([-1]))) < 1e-3


def test_scenes_are_read_by_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of the folders"):
        load_scenes(tmp_path)
    (tmp_path / "sea").mkdir()
    Image.new("RGB", (64, 64), (0, 80, 160)).save(tmp_path / "sea" / "a.png")
    (scene,) = load_scenes(tmp_path)
    assert scene.required == NAMES.index("water") - 1
    assert {NAMES[k + 1] for k in np.flatnonzero(scene.allowed)} == set(SCENES["sea"][1])


def test_scene_kinds_name_groups() -> None:
    for required, names in SCENES.values():
        assert set(names) <= set(NAMES[1:]) and (required is None or required in names)


def test_a_few_steps_teach_the_miniature(panoptic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "CROP", 64)
    monkeypatch.setattr(train, "BATCH", 8)
    entries, test = load_labeled(panoptic)
    torch.manual_seed(0)
    segmenter = Segmenter()
    backbone = {name: value.clone() for name, value in segmenter.backbone.state_dict().items()}
    train.fit(train.HeadTrainer(segmenter, entries, [], steps=24, seed=0), tmp_path)
    assert train.evaluate(segmenter, test, (48,)).accuracy > 0.8
    assert all(torch.equal(value, backbone[name]) for name, value in segmenter.backbone.state_dict().items())


def test_a_resumed_run_ends_as_an_uninterrupted_one(
    panoptic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crops, "CROP", 64)
    monkeypatch.setattr(train, "BATCH", 8)
    entries = load_labeled(panoptic)[0]
    (tmp_path / "sea").mkdir()
    Image.new("RGB", (96, 96), (0, 80, 160)).save(tmp_path / "sea" / "a.png")
    scenes = load_scenes(tmp_path)
    ends = []
    for name, cut in (("whole", None), ("cut", 3)):
        torch.manual_seed(0)
        segmenter = Segmenter()
        start = {key: value.clone() for key, value in segmenter.head.state_dict().items()}
        trainer = train.HeadTrainer(segmenter, entries, scenes, steps=8, seed=3)
        if cut:
            (tmp_path / name).mkdir()
            steps = iter(range(cut - 1, -1, -1))
            loop(trainer, tmp_path / name, Window(), Bar(False), stop=lambda: next(steps) == 0)  # noqa: B023
            assert trainer.step == cut
            with pytest.raises(UsageError, match="pass --resume"):
                train.fit(trainer, tmp_path / name)
            torch.rand(7)
            segmenter = Segmenter()
            segmenter.head.load_state_dict(start)
            trainer = train.HeadTrainer(segmenter, entries, scenes, steps=8, seed=3)
        assert train.fit(trainer, tmp_path / name, resume=True) == 0
        ends.append(segmenter.head.state_dict())
    assert all(torch.equal(ends[0][key], ends[1][key]) for key in ends[0])
    assert any(not torch.equal(ends[0][key], start[key]) for key in start)
    other = train.HeadTrainer(Segmenter(), entries, scenes, steps=9, seed=3)
    with pytest.raises(TrainingError, match="a run with"):
        train.fit(other, tmp_path / "cut", resume=True)


def test_the_program_leaves_out_pictures_by_name(
    panoptic: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crops, "CROP", 64)
    monkeypatch.setattr(train, "BATCH", 4)
    kept_out, head = tmp_path / "kept-out", tmp_path / "head.safetensors"
    kept_out.mkdir()
    for stem in ("000", "004"):
        Image.new("RGB", (8, 8)).save(kept_out / f"{stem}.png")
    options = ["--panoptic", str(panoptic), "--without", str(kept_out), "-o", str(head), "--steps", "20"]
    result = CliRunner().invoke(train.main, options)
    assert result.exit_code == 0, result.output
    assert "7 pictures, 0 thumbnails, 20 steps; on 2 kept out" in result.output
    assert load_segmenter(head) and "longer side 320" in result.output


def test_the_program_says_what_is_missing(panoptic: Path, tmp_path: Path) -> None:
    options = ["--panoptic", str(panoptic), "--without", str(tmp_path / "none"), "-o", str(tmp_path / "head")]
    result = CliRunner().invoke(train.main, options)
    assert result.exit_code == 1 and "Error" in result.output and "none" in result.output


def test_scores_of_known_maps() -> None:
    confusion = Confusion()
    confusion.add(np.array([[1, 1, 2, 0]], np.uint8), np.array([[1, 2, 2, 7]], np.uint8))
    scores = confusion.scores()
    assert math.isclose(scores.accuracy, 2 / 3)
    assert scores.iou == {"sky": 0.5, "water": 0.5}
    assert math.isclose(scores.mean_iou, 0.5)
