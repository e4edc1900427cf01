"""The encoder's segmenter: pictures of any size, its file, and that it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from codectk.base.errors import WeightsError
from codectk.base.types import Context
from codectk.weights.tensors import load_tensors, save_tensors
from codectk_labels import crops, train
from codectk_labels.crops import Labeled
from codectk_labels.groups import NAMES
from codectk_sgc.config import CONFIGS
from codectk_sgc.encoder.analysis import Analysis
from codectk_sgc.encoder.segmenter import Segmenter
from codectk_sgc.training import segmenter as training

SKY, PERSON = NAMES.index("sky"), NAMES.index("person")


@pytest.fixture(scope="module")
def fresh() -> Segmenter:
    torch.manual_seed(0)
    return training.untrained().eval()


def halves(number: int, void: bool = False) -> Labeled:
    """Blue sky above a red person, the border at another height each time."""
    rng = np.random.default_rng(number)
    labels = np.full((96, 128), SKY, np.uint8)
    labels[int(rng.integers(32, 64)) :] = PERSON
    pixels = np.where(labels[..., None] == PERSON, (200, 40, 40), (90, 150, 250)) + rng.integers(-20, 21, (96, 128, 3))
    if void:
        labels[:, ::2] = 0
    return Labeled(str(number), np.clip(pixels, 0, 255).astype(np.uint8), labels)


@pytest.mark.parametrize("size", [(1, 1), (17, 31), (64, 48)])
def test_any_size_gets_probabilities(fresh: Segmenter, size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    assert fresh(x).shape == (2, 13, *size)
    p = fresh.probabilities(x)
    assert p.shape == (2, 13, *size)
    assert torch.allclose(p.sum(1), torch.ones(2, *size), atol=1e-4)


def test_mirrored_picture_mirrored_answer(fresh: Segmenter) -> None:
    x = torch.rand(1, 3, 64, 96, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(fresh.probabilities(x.flip(-1)), fresh.probabilities(x).flip(-1), atol=1e-4)


def test_the_encoder_makes_a_label_per_cell() -> None:
    torch.manual_seed(1)
    analysis = Analysis(CONFIGS["small"]).eval()
    labels = analysis(torch.rand(1, 3, 60, 100), None, Context(60, 100))["labels"]
    assert labels.shape == (4, 6) and labels.min() >= 0 and labels.max() < 13


def test_a_head_survives_its_file_without_the_backbone(fresh: Segmenter, tmp_path: Path) -> None:
    arrays = training.head_arrays(fresh)
    assert all(name.startswith("head.") for name in arrays) and "head.classify.weight" in arrays
    save_tensors(tmp_path / "head.safetensors", arrays)
    again = training.load(tmp_path / "head.safetensors")
    x = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(3))
    assert torch.allclose(again(x), fresh(x), atol=3e-2)


def test_a_foreign_file_is_refused(fresh: Segmenter, tmp_path: Path) -> None:
    arrays = {name.removeprefix("head."): value for name, value in training.head_arrays(fresh).items()}
    save_tensors(tmp_path / "other.safetensors", arrays)
    assert load_tensors(tmp_path / "other.safetensors")
    with pytest.raises(WeightsError, match="lack"):
        training.load(tmp_path / "other.safetensors")


def test_a_few_steps_teach_it_though_half_of_the_pixels_are_void(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crops, "CROP", 64)
    monkeypatch.setattr(train, "BATCH", 8)
    torch.manual_seed(0)
    segmenter = training.untrained()
    before = {name: value.clone() for name, value in segmenter.backbone.state_dict().items()}
    entries = [halves(number, void=True) for number in range(6)]
    trainer = train.HeadTrainer(segmenter, entries, [], 24, 0)
    losses = [trainer.train_step()[0]["loss"] for _ in range(24)]
    segmenter.eval()
    assert losses[-1] < 0.5 * losses[0]
    assert all(torch.equal(value, before[name]) for name, value in segmenter.backbone.state_dict().items())
    test = [halves(number) for number in range(6, 9)]
    lines = list(training.measured(segmenter, test))
    assert len(lines) == 2 and all(float(line.split("accuracy ")[1].split()[0]) > 0.8 for line in lines)


def test_cells_that_are_mostly_void_do_not_count(fresh: Segmenter) -> None:
    entry = halves(0)
    guess = training.seen(fresh, entry.pixels)
    right = np.where(np.arange(128) < 64, guess, 0).astype(np.uint8)
    wrong = np.where(right > 0, right % 13 + 1, 0).astype(np.uint8)
    for labels, share in ((right, 1.0), (wrong, 0.0)):
        for line in training.measured(fresh, [Labeled("0", entry.pixels, labels)]):
            assert f"pixel accuracy {share:.3f}" in line
