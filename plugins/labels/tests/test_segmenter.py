"""The segmenter answers for every pixel of any picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from codectk.base.errors import UsageError, WeightsError
from codectk.base.types import Context
from codectk.picture.read import read_picture
from codectk.plugins.manager import component
from codectk.weights.tensors import save_tensors
from codectk_labels.conditioning import build
from codectk_labels.crops import TEST_EVERY, Labeled
from codectk_labels.groups import NAMES
from codectk_labels.panoptic import find_panoptic, group_map
from codectk_labels.predict import label_map, probabilities
from codectk_labels.preset import head_arrays, load_segmenter
from codectk_labels.segmenter import Segmenter
from codectk_labels.train import evaluate


@pytest.fixture(scope="module")
def shipped() -> Segmenter:
    return load_segmenter()


@pytest.mark.parametrize("size", [(1, 1), (31, 65), (64, 32)])
def test_any_size_gets_probabilities(shipped: Segmenter, size: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(0))
    p = probabilities(shipped, x, (32, 48))
    assert p.shape == (2, 13, *size)
    assert torch.allclose(p.sum(1), torch.ones(2, *size), atol=1e-4)


def test_mirrored_picture_mirrored_answer(shipped: Segmenter) -> None:
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(probabilities(shipped, x.flip(-1)), probabilities(shipped, x).flip(-1), atol=1e-4)


def test_head_of_a_parrot_is_animal_in_front_of_green(shipped: Segmenter) -> None:
    photo = Path(__file__).parents[3] / "examples" / "photo.png"
    labels = label_map(shipped, read_picture(photo).pixels, (320,))
    assert labels.shape == (512, 768) and labels.dtype == np.uint8
    green = (NAMES.index("plant"), NAMES.index("grass"))
    assert (labels[220:320, 150:250] == NAMES.index("animal")).mean() > 0.8
    assert np.isin(labels[100:400, :60], green).mean() > 0.8


def test_pictures_kept_out_of_training_are_labeled_as_the_card_says(
    shipped: Segmenter, unpacked_panoptic: Path
) -> None:
    rows = sorted(find_panoptic(unpacked_panoptic), key=lambda row: row[0].stem)[TEST_EVERY - 1 :: TEST_EVERY]
    some = [Labeled(x.stem, read_picture(x).pixels, group_map(png, known)) for x, png, known in rows[::7]]
    assert evaluate(shipped, some, (320,)).accuracy > 0.55


def test_a_head_survives_its_file(tmp_path: Path) -> None:
    torch.manual_seed(3)
    segmenter = Segmenter()
    save_tensors(tmp_path / "head.safetensors", head_arrays(segmenter.head))
    again = load_segmenter(tmp_path / "head.safetensors")
    x = torch.rand(1, 3, 32, 32)
    assert torch.allclose(again(x), segmenter.eval()(x), atol=2e-2)


def test_a_foreign_file_is_refused(tmp_path: Path) -> None:
    save_tensors(tmp_path / "other.safetensors", {"classify.weight": np.zeros((13, 32, 1, 1), np.float16)})
    with pytest.raises(WeightsError, match="lack"):
        load_segmenter(tmp_path / "other.safetensors")


def test_component_gives_labels_through_the_plugin_manager() -> None:
    stage = component("conditioning", "labels.segmenter", {"sides": [64]})
    labels = stage(torch.rand(1, 3, 48, 64), Context(48, 64))
    assert labels.shape == (1, 48, 64) and labels.dtype == torch.int64
    assert int(labels.min()) >= 1 and int(labels.max()) <= 13


@pytest.mark.parametrize("options", [{"side": 64}, {"sides": []}, {"sides": [8]}, {"sides": [True]}, {"sides": 64}])
def test_bad_options_are_refused(options: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        build(options)
